"""The racks' part of a tick: after the services have decided, one decision about the GPUs that they share.

The promises are those of the services' tick: a decision is in the store before the fleet hears of it and marked after,
and a restart goes on from what was recorded. A rack that the fleet has not told of is not decided on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import httpx
import structlog

from app.daemon.memory import RackMemory
from app.daemon.parts import Daemon
from autoscaler.controller import Considered
from autoscaler.decision import Decision
from autoscaler.sharing.controller import ConsideredRack, Member, consider_rack, in_rack
from autoscaler.sharing.rack import RackDecision, RackState
from runtime.fleet import PoolTarget, RackTarget

log = structlog.get_logger()


def restore(daemon: Daemon, now_s: float) -> None:
    """Fill the memory from the store; nothing is given back in the first window after now."""
    for shared in daemon.shared:
        left = daemon.rack_ledger.state(shared.rack.name)
        state = replace(left, started_at_s=now_s) if left else None
        daemon.memory.racks[shared.rack.name] = RackMemory(
            shared.rack, shared.policy, shared.services, state, started_at_s=now_s
        )


async def reapply(daemon: Daemon, now_s: float) -> None:
    """Carry out what was decided and perhaps not done."""
    for name, known in daemon.memory.racks.items():
        entry = await asyncio.to_thread(daemon.rack_ledger.unapplied, name)
        if entry is not None:
            decision = entry.considered.decision
            await carry_out(daemon, replace(decision, gpus=min(decision.gpus, known.rack.max_gpus)), now_s)
            log.info("decision applied again", id=decision.id)


async def look(daemon: Daemon) -> None:
    """Ask the fleet what its racks hold; where it does not answer, what it said last stands."""
    if not daemon.memory.racks:
        return
    try:
        views = {view.name: view for view in await daemon.fleet.racks()}
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            return
        views = {}  # a fleet that knows no racks
    except httpx.HTTPError:
        return  # then its services are not seen either, and nothing is given back on that
    for name, known in daemon.memory.racks.items():
        if name not in views and not known.missing:
            log.warning("the fleet has no such rack, so nothing is decided about it", rack=name)
        known.told, known.missing = views.get(name), name not in views


def consider(daemon: Daemon, considered: Mapping[str, Considered], at_s: float) -> dict[str, ConsideredRack]:
    """Think every rack through that the fleet has told of."""
    return {
        name: _consider(daemon, known, considered, at_s)
        for name, known in daemon.memory.racks.items()
        if known.told is not None
    }


def _consider(daemon: Daemon, known: RackMemory, considered: Mapping[str, Considered], at_s: float) -> ConsideredRack:
    members = [
        Member(considered[name], daemon.memory.services[name].in_effect, daemon.minds[name].forecaster)
        for name in known.services
    ]
    first = RackState(known.told.wanted if known.told else known.rack.gpus, started_at_s=known.started_at_s)
    state = known.state or first
    return consider_rack(known.rack, known.policy, state, known.mind, members, at_s, daemon.interval_s, known.told)


def remember(daemon: Daemon, racks: Mapping[str, ConsideredRack]) -> None:
    """What the API reads, and what the next tick starts from."""
    for name, considered in racks.items():
        known = daemon.memory.racks[name]
        known.considered, known.state = considered, considered.decision.next_state


async def carry_out(daemon: Daemon, decision: RackDecision, at_s: float) -> None:
    """Apply one decision, then mark it."""
    await daemon.fleet.hold([RackTarget(decision.rack, decision.gpus)], decision.id)
    await asyncio.to_thread(daemon.rack_ledger.mark_applied, decision.id, at_s)


def targets_of(daemon: Daemon, decision: Decision) -> tuple[PoolTarget, ...]:
    """What the fleet is told of a service; one in a rack is never put to sleep in a place of its own."""
    racked = any(decision.service in known.services for known in daemon.memory.racks.values())
    return (in_rack(decision.plan) if racked else decision.plan).targets
