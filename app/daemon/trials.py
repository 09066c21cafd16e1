"""After every tick: candidates in shadow decide beside the live policy, and policies on watch are measured.

Both go on from what the store holds, so a restart loses nothing, and are written back only while they are the open
ones. A policy that burns the error budget is taken back here, as a new version with the numbers as its reason: first
the watch is closed as failed, then the policy is written, so a crash in between is made good at the next tick and
nobody's newer version is ever written over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from app.daemon.memory import ServiceMemory
from app.daemon.parts import Daemon
from autoscaler.attainment import Sample, sample
from autoscaler.canary import watch as canary
from autoscaler.canary.watch import AUTHOR, Before, Outcome, Watch
from autoscaler.shadow.run import Shadow, Tick, step
from autoscaler.store.policies import StaleWrite

BEFORE_S = 1800.0
"""At most so much of the time before a change is compared with."""

LONGEST_TICKS = 4
"""After so many intervals without a decision a candidate counts the time as missed."""

log = structlog.get_logger()


async def advance(daemon: Daemon) -> None:
    """Take every trial one tick further; a tick that failed is made up for by the next."""
    shadows, watches = await asyncio.to_thread(read, daemon)
    for name, known in daemon.memory.services.items():
        remember(known)
        known.shadow = await asyncio.to_thread(shadowed, daemon, known, shadows.get(name))
        known.watch = await asyncio.to_thread(watched, daemon, known, watches.get(name))


def read(daemon: Daemon) -> tuple[Mapping[str, Shadow], Mapping[str, Watch]]:
    """Every service's trials as the store has them."""
    return daemon.trials.shadows.all(), daemon.trials.watches.all()


def remember(known: ServiceMemory) -> None:
    """Lengthen what is known of the time before a change by this tick."""
    seen = known.observation
    if seen is None or (known.seen and known.seen[-1].at_s >= seen.at_s):
        return
    known.seen.append(seen)
    while known.seen[0].at_s < seen.at_s - BEFORE_S:
        known.seen.popleft()


def shadowed(daemon: Daemon, known: ServiceMemory, shadow: Shadow | None) -> Shadow | None:
    """The candidate after this tick."""
    if shadow is None or not shadow.open or not known.observation or not known.decision or not known.given:
        return shadow
    tick = Tick(known.observation, known.forecast, known.given, known.decision, known.policy, known.policy_version)
    done = step(shadow, tick, LONGEST_TICKS * daemon.interval_s)
    return done if daemon.trials.shadows.keep(done) else daemon.trials.shadows.newest(shadow.service)


def watched(daemon: Daemon, known: ServiceMemory, watch: Watch | None) -> Watch | None:
    """The watch after this tick, with its consequences."""
    if watch is None or not (watch.open or watch.outcome is Outcome.FAILED):
        return watch
    if known.policy_version < watch.version or not known.observation or not known.decision:
        return watch  # applied while the tick was under way
    at_s = known.decision.at_s
    if watch.outcome is Outcome.FAILED:
        return taken_back(daemon, known, watch, at_s)
    if known.policy_version > watch.version:
        return kept(daemon, canary.ended(watch, Outcome.ENDED, newer(watch, known.policy_version), at_s))
    seen = sample(known.observation, known.policy.slo) if known.observation.at_s > watch.at_s else None
    return kept(daemon, canary.step(watch, seen, before(known, watch), at_s), known)


def kept(daemon: Daemon, watch: Watch, known: ServiceMemory | None = None) -> Watch | None:
    """Write the watch back; unless somebody else has ended it meanwhile, a failed one is acted on."""
    if not daemon.trials.watches.keep(watch):
        return daemon.trials.watches.newest(watch.service)
    if not watch.open:
        log.info("watch over", service=watch.service, outcome=watch.outcome.value, said=watch.said)
    return taken_back(daemon, known, watch, watch.at_s) if known and watch.outcome is Outcome.FAILED else watch


def taken_back(daemon: Daemon, known: ServiceMemory, watch: Watch, at_s: float) -> Watch:
    """Write the version before once more; nothing scales in for a settle window from now."""
    said = f"rolled back to version {watch.base_version}: {watch.said}"
    try:
        made = daemon.policies.rollback(watch.service, watch.base_version, watch.version, AUTHOR, said, at_s)
    except StaleWrite as error:
        done = canary.ended(watch, Outcome.ENDED, f"{newer(watch, error.newest)}, when {watch.said}", at_s)
    else:
        known.control = replace(known.control, rolled_back_at_s=at_s)
        now = f"{watch.said}; version {watch.base_version} is back as version {made.version}"
        done = canary.ended(watch, Outcome.ROLLED_BACK, now, at_s)
        log.warning("policy rolled back", service=watch.service, version=made.version, reason=said)
    daemon.trials.watches.put(done, replaces_open=True)
    return done


def newer(watch: Watch, version: int) -> str:
    """Why a watch is over that neither passed nor failed."""
    return f"version {version} came and ended the watch of version {watch.version}"


def before(known: ServiceMemory, watch: Watch) -> Before:
    """What was measured before the version on watch, as far back as the watch is long, by that version's SLO."""
    start_s = watch.started_at_s - min(BEFORE_S, watch.watch_s)
    found = [sample(seen, known.policy.slo) for seen in known.seen if start_s < seen.at_s <= watch.started_at_s]
    samples: list[Sample] = [one for one in found if one is not None]
    return Before(
        seconds=sum(one.seconds for one in samples),
        requests=sum(one.requests for one in samples),
        late=sum(one.late for one in samples),
    )
