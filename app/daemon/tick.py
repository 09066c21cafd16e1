"""One tick, as small steps: look, consider each service, record, act, remember.

Order matters and is the promise: a decision is in the ledger before the fleet hears of it, and marked as applied
after; whoever is killed in between finds it there and applies it again, which changes nothing the second time. A
fleet that cannot be reached is a gap in every observation, so nothing scales in on it. Who does not lead takes the same
steps, from the leader's control state, but for recording and acting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import httpx

from app.daemon import racks, tuning
from app.daemon.leading import acts
from app.daemon.memory import ServiceMemory, extend
from app.daemon.metering import Metered, metered
from app.daemon.parts import Daemon
from app.daemon.replicas import equipped, held, targets
from app.daemon.signals import FLEET, Signals, fleet_signals, gpu_signals, service_signals
from app.daemon.start import resume
from autoscaler.controller import Considered, Look, consider
from autoscaler.decision import Decision
from autoscaler.learning.lead_times import measured
from autoscaler.safety.health import vitals
from autoscaler.sharing.controller import ConsideredRack
from autoscaler.sharing.grants import share
from autoscaler.sizing import launch_lead_s
from autoscaler.store.codec import inputs
from autoscaler.store.ledger import Record
from collectors.aggregate import gpu_use
from collectors.observation import Gap
from collectors.redact import redacted
from runtime.agent.client import Standing


async def tick(daemon: Daemon, at_s: float) -> None:
    """Everything that happens at one moment."""
    started_cpu_s = time.process_time()
    if not acts(daemon):
        await asyncio.to_thread(resume, daemon, at_s)
    await asyncio.to_thread(read_policies, daemon)
    await asyncio.to_thread(read_overrides, daemon, at_s)
    tuning.tell(daemon.memory.services)
    seen = await look(daemon, at_s)
    considered = {
        name: consider(known.control, known.in_effect, daemon.minds[name], seen, daemon.previous)
        for name, known in daemon.memory.services.items()
    }
    considered = share(
        considered, {name: known.in_effect for name, known in daemon.memory.services.items()}, daemon.limits
    )
    shared = racks.consider(daemon, considered, at_s)
    signals = {name: signals_of(daemon.memory.services[name], result) for name, result in considered.items()}
    use = gpu_use(seen.scrape.gpus, held(seen.replicas)) if seen.scrape.gpus else None
    signals[FLEET] = gpu_signals(use)
    if acts(daemon):
        rows = metered(daemon, considered, shared, signals, seen)
        await asyncio.to_thread(record, daemon, considered, shared, signals, rows, at_s)
    racks.remember(daemon, shared)
    remember(daemon, seen, considered, signals)
    daemon.memory.gpus = use
    if acts(daemon):
        await act(daemon, considered, shared)
    daemon.memory.tally.last_tick_cpu_s = time.process_time() - started_cpu_s


def read_policies(daemon: Daemon) -> None:
    """Take every policy's newest version, whoever wrote it."""
    for name, known in daemon.memory.services.items():
        newest = daemon.policies.current(name)
        if newest is not None:
            known.policy, known.policy_version = newest.policy, newest.version


def read_overrides(daemon: Daemon, at_s: float) -> None:
    """Take what operators decided by hand and is not over."""
    overrides = daemon.overrides.in_force(at_s)
    for name, known in daemon.memory.services.items():
        own = tuple(override for override in overrides if override.covers(name, at_s))
        known.control = replace(known.control, overrides=own)


async def look(daemon: Daemon, at_s: float) -> Look:
    """Ask the fleet what exists and the source what it does."""
    trouble = None
    replicas, samples, nodes = daemon.replicas, daemon.lead_times, daemon.nodes
    try:
        replicas, samples, nodes = await asyncio.gather(
            daemon.fleet.replicas(), daemon.fleet.lead_times(), daemon.fleet.nodes()
        )
    except httpx.HTTPError as error:
        trouble = Gap("fleet", f"no answer ({redacted(str(error)) or type(error).__name__})")
    daemon.replicas, daemon.lead_times, daemon.nodes = replicas, samples, nodes
    pools = [pool for known in daemon.memory.services.values() for pool in known.pools]
    await racks.look(daemon)
    scrape = await daemon.source.scrape(targets(replicas, nodes, pools, daemon.fleet.url, daemon.gateway_url), at_s)
    return Look(at_s, equipped(replicas, scrape.gpus), samples, scrape, trouble, vitals(scrape.gpus))


def signals_of(known: ServiceMemory, result: Considered) -> Signals:
    """What the tick says about a service, in named numbers."""
    lead_s = launch_lead_s(result.state)
    return service_signals(
        result.observation, result.decision, result.forecast, result.replicas, known.pool, known.policy, lead_s
    )


def record(
    daemon: Daemon,
    considered: dict[str, Considered],
    shared: dict[str, ConsideredRack],
    signals: dict[str, Signals],
    rows: Metered,
    at_s: float,
) -> None:
    """Write history, decisions and what they cost; runs in a thread of its own."""
    daemon.history.append_many([(name, at_s, values) for name, values in signals.items()])
    daemon.ledger.record_many([entry(daemon.memory.services[name], considered[name]) for name in considered])
    daemon.rack_ledger.record_many(list(shared.values()))
    if daemon.costs is not None:
        daemon.costs.add(rows.held, rows.used, rows.tenants)


def entry(known: ServiceMemory, result: Considered) -> Record:
    """The decision with everything it was made from."""
    at_s = result.decision.at_s
    made_from = inputs(result.observation, result.forecast, result.state, known.in_effect, at_s)
    return Record(result.decision, made_from, known.policy_version)


async def act(daemon: Daemon, considered: dict[str, Considered], shared: dict[str, ConsideredRack]) -> None:
    """Tell the fleet; what it does not hear is superseded by the next decision, and one service spoils no other."""
    acting = [result.decision for result in considered.values() if result.decision.act]
    holding = [result.decision for result in shared.values() if result.decision.act]
    moves = [carry_out(daemon, decision) for decision in acting]
    moves += [racks.carry_out(daemon, decision, decision.at_s) for decision in holding]
    ended = await asyncio.gather(*moves, return_exceptions=True)
    for outcome in ended:
        if outcome is not None:
            raise outcome


async def carry_out(daemon: Daemon, decision: Decision) -> None:
    """Apply one decision, then mark it."""
    await daemon.fleet.apply(racks.targets_of(daemon, decision), decision.id)
    await asyncio.to_thread(daemon.ledger.mark_applied, decision.id, decision.at_s)


def remember(daemon: Daemon, seen: Look, considered: dict[str, Considered], signals: dict[str, Signals]) -> None:
    """Replace what the API reads, and what the next tick starts from."""
    memory = daemon.memory
    since_s = max(0.0, seen.at_s - memory.ticked_at_s) if memory.ticked_at_s is not None else 0.0
    for name, result in considered.items():
        known = memory.services[name]
        if acts(daemon):  # else it is counted by who leads
            count(daemon, name, known, result, (signals[name]["usd_per_hour"] or 0.0) * since_s / 3600)
        known.observation, known.forecast, known.decision = result.observation, result.forecast, result.decision
        known.control, known.replicas = result.decision.next_state, result.replicas
        known.given = result.state
        known.samples = seen.scrape.replicas
        known.measured = measured(known.pool, seen.lead_times)
        if result.observation.valid:
            known.last_valid_s = result.observation.at_s
        known.remember(signals[name])
        daemon.minds[name].lengths = result.lengths
    decisions = [result.decision for result in considered.values()]
    idle_usd = sum(rack.idle_usd_per_hour or 0.0 for rack in memory.racks.values())
    of_fleet = fleet_signals([signals[name] for name in considered], decisions, idle_usd)
    extend(memory.recent, of_fleet | signals[FLEET])
    tuning.remember(memory.services, considered)
    memory.agents = dict(daemon.fleet.standings())
    memory.gaps = gaps(seen, memory.agents)
    memory.gpu_samples, memory.nodes = seen.scrape.gpus, daemon.nodes
    memory.ticked_at_s = seen.at_s
    daemon.previous = seen.scrape


def gaps(seen: Look, agents: Mapping[str, Standing]) -> tuple[Gap, ...]:
    """All that was not seen. One agent's trouble is in no service's observation, for it is no reason to hold."""
    apart = [Gap(f"agent {name}", redacted(one.trouble)) for name, one in agents.items() if one.trouble]
    return (*((seen.trouble,) if seen.trouble else ()), *apart, *seen.scrape.gaps)


def count(daemon: Daemon, name: str, known: ServiceMemory, result: Considered, usd: float) -> None:
    """Count the decision, and the money since the last tick."""
    tally = daemon.memory.tally
    before = known.control.desired.active if known.control.desired else result.state.counts.active
    # What is desired counts in the first pool's replicas, and so must what it is compared with.
    after = result.decision.next_state.desired
    wanted = after.active if after else result.decision.plan.total.active
    action = "hold" if wanted == before else "scale_out" if wanted > before else "scale_in"
    key = (name, action, result.decision.binding)
    tally.decisions[key] = tally.decisions.get(key, 0) + 1
    tally.cost_usd[name] = tally.cost_usd.get(name, 0.0) + usd
