"""After a tick: policies that were declared as resources become versions, and their resources are told how they stand.

Only who acts does either. A new version is in force from the next tick on, and on watch, as one that the API wrote.
"""

from __future__ import annotations

import asyncio

import structlog

from app.api.watch import begin
from app.daemon.leading import acts
from app.daemon.memory import ServiceMemory
from app.daemon.parts import Daemon
from app.kubernetes.declared import Declared, Refusal
from app.kubernetes.policies import PolicyResources
from app.kubernetes.status import Standing, by_tier
from autoscaler.policy import Policy
from autoscaler.safety.feasibility import Present, findings
from autoscaler.store.policies import StaleWrite

WATCH_S = 1800.0
"""As long as the API's own default: a resource says what is wanted, and not how long it is looked at."""

REASON_SEARCHED = 200
"""Newest versions among which a generation is looked for that was taken already."""

log = structlog.get_logger()


async def declare(daemon: Daemon) -> None:
    """Take what is new, tell what has changed."""
    resources = daemon.resources
    if resources is None:
        return
    resources.start()
    chosen = resources.judge(daemon.memory.services)
    if chosen is None or not acts(daemon):
        return
    for service, declared in chosen.items():
        await take(daemon, resources, daemon.memory.services[service], declared)
    standings = {name: standing(resources, daemon.memory.services[name], one) for name, one in chosen.items()}
    await resources.tell(standings, daemon.memory.now_s)


async def take(daemon: Daemon, resources: PolicyResources, known: ServiceMemory, declared: Declared) -> None:
    """Make a version of it, unless it is in force, was taken already, or cannot work."""
    assert declared.spec is not None, "judged"
    policy = declared.spec.policy
    if policy == known.policy:
        return
    if refused := [str(finding) for finding in findings(policy, known.pool, present(daemon, known)) if finding.refused]:
        resources.refuse(declared, Refusal("CannotWork", refused[0]))
        return
    await asyncio.to_thread(write, daemon, known, declared, policy)


def write(daemon: Daemon, known: ServiceMemory, declared: Declared, policy: Policy) -> None:
    """The next version, in a thread; somebody who was quicker is looked at again after the next tick."""
    versions = daemon.policies.history(declared.service, REASON_SEARCHED)
    if any(version.reason.endswith(declared.told) and version.policy == policy for version in versions):
        known.policy, known.policy_version = versions[0].policy, versions[0].version
        return
    base, at_s = (versions[0].version if versions else 0), daemon.memory.now_s
    try:
        made = daemon.policies.write(declared.service, policy, base, declared.author, declared.told, at_s)
    except StaleWrite as error:
        log.info("policy not taken yet", service=declared.service, reason=str(error))
        return
    known.policy, known.policy_version = made.policy, made.version
    begin(daemon.trials.watches, made, WATCH_S)
    log.info("policy taken", service=declared.service, version=made.version, reason=declared.told)


def present(daemon: Daemon, known: ServiceMemory) -> Present:
    """What is known of the service as it is."""
    control, decision = known.control, known.decision
    erlangs = None if decision is None else decision.offered_erlangs
    return Present(daemon.interval_s, erlangs, control.mean_input_tokens, control.mean_output_tokens)


def standing(resources: PolicyResources, known: ServiceMemory, declared: Declared) -> Standing:
    """How a service stands after the tick."""
    seen, service = known.observation, declared.service
    gaps = () if seen is None or seen.valid else tuple(sorted({gap.subject for gap in seen.gaps})) or ("everything",)
    return Standing(
        policy_version=known.policy_version,
        followed=declared.spec is not None and declared.spec.policy == known.policy,
        current=by_tier(known.replicas) if known.decision is not None else None,
        decision=known.decision,
        gaps=gaps,
        rival=resources.rival(service),
    )
