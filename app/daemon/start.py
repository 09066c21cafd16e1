"""Before the first tick: what the store remembers, and what the fleet knows of the time before.

Promise after a restart: windows, cooldowns and targets are as they were, ``started_at_s`` is now (so nothing scales
in during the first window), the newest decision that was recorded but not marked as applied is carried out, and the
forecast starts from the recorded history, or from the fleet's own past where the store is empty.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import numpy as np
import structlog

from app.daemon import racks
from app.daemon.memory import ServiceMemory
from app.daemon.parts import Daemon
from app.daemon.signals import Signals
from app.daemon.tuning import recall
from app.errors import UserError
from autoscaler.controller import Mind
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.policy import Policy
from autoscaler.safety.feasibility import Present, findings
from autoscaler.store.policies import StaleWrite, Version
from forecasting.forecaster import Forecaster
from forecasting.panel import Panel
from runtime.pool import Pool, StepTime

HISTORY_S = 14 * 86400.0
"""How much history a forecaster is given."""

CLOCK_SKEW_S = 60.0
"""How far a clock may have been set back between two runs."""

log = structlog.get_logger()


def restore(daemon: Daemon, now_s: float) -> None:
    """Fill the memory from the store; a policy in the store wins over the file's, which is only its first version."""
    for service in daemon.configured:
        pool, name = service.pool, service.pool.service
        refuse_the_future(daemon, name, now_s)
        version = seeded(daemon, name, service.policy, now_s)
        if version.policy != service.policy:
            log.info("policy is the store's, not the file's", service=name, version=version.version)
        warn_of(version.policy, pool, daemon.interval_s)
        control = control_of(pool, daemon.ledger.state(name), now_s, service.more_pools)
        daemon.minds[name] = Mind(Forecaster(name))
        daemon.memory.services[name] = ServiceMemory(pool, control, version.policy, version.version)
        recall(daemon.memory.services[name], daemon.tunings, now_s)
    racks.restore(daemon, now_s)


def seeded(daemon: Daemon, name: str, policy: Policy, now_s: float) -> Version:
    """The policy in force, whoever of several daemons wrote its first version."""
    try:
        return daemon.policies.seed(name, policy, now_s)
    except StaleWrite:
        newest = daemon.policies.current(name)
        assert newest is not None, "somebody was quicker"
        return newest


async def take_over(daemon: Daemon, now_s: float) -> None:
    """Go on where the last leader stopped. May fail as a tick may: before it acts it is tried again, and what could not
    be done once more is superseded by the next decision.
    """
    if not daemon.leader.leads():
        return
    await asyncio.to_thread(resume, daemon, now_s)
    await asyncio.to_thread(adopt, daemon, now_s)
    daemon.acting = True
    log.info("leading", services=len(daemon.memory.services))
    await reapply(daemon, now_s)


def resume(daemon: Daemon, now_s: float) -> None:
    """Take the control state that another's last decision left, as of a start now."""
    for name, known in daemon.memory.services.items():
        more = tuple(branch.pool for branch in known.control.more)
        known.control = control_of(known.pool, daemon.ledger.state(name), now_s, more)
    for name, rack in daemon.memory.racks.items():
        left = daemon.rack_ledger.state(name)
        rack.state = replace(left, started_at_s=now_s) if left else None
        rack.started_at_s = now_s


def adopt(daemon: Daemon, now_s: float) -> None:
    """Use what another's forecasts have learned; the load itself was seen here too."""
    for name, mind in daemon.minds.items():
        panel = learned(daemon, name, mind, now_s)
        if panel is not None:
            mind.forecaster.adopt(panel)


def warn_of(policy: Policy, pool: Pool, interval_s: float) -> None:
    """Say what is wrong with a policy that is in force already: a fleet is not left alone for it."""
    for finding in findings(policy, pool, Present(interval_s)):
        log.warning("policy cannot work", service=pool.service, reason=str(finding))


def refuse_the_future(daemon: Daemon, service: str, now_s: float) -> None:
    """Raise ``UserError`` for a store that another timeline has written: its cooldowns and ids would get in the way."""
    latest = daemon.ledger.latest(service)
    if latest is not None and latest.decision.at_s > now_s + CLOCK_SKEW_S:
        ahead_s = latest.decision.at_s - now_s
        raise UserError(
            f"store.url: the store's newest decision on {service} lies {ahead_s:.0f} s after the fleet's time; "
            "give another store, or remove this one"
        )


def control_of(pool: Pool, left: ControlState | None, now_s: float, more_pools: tuple[Pool, ...] = ()) -> ControlState:
    """The control state that the last decision left, as of a start now; what was of another pool is forgotten."""
    more = tuple(Branch(other) for other in more_pools)
    if left is None or left.pool.name != pool.name:
        return ControlState(pool.service, pool, TierCounts(), now_s, more=more)
    return replace(
        left,
        pool=pool,
        more=more,
        targets=left.targets if [t.pool for t in left.targets] == [p.name for p in (pool, *more_pools)] else (),
        counts=TierCounts(),
        started_at_s=now_s,
        lead_times={},
    )


async def reapply(daemon: Daemon, now_s: float) -> list[str]:
    """Carry out what was decided and perhaps not done; gives the ids. Fleets take targets, so twice is once."""
    done = []
    for name in daemon.memory.services:
        entry = await asyncio.to_thread(daemon.ledger.unapplied, name)
        if entry is not None:
            await daemon.fleet.apply(racks.targets_of(daemon, entry.decision), entry.decision.id)
            await asyncio.to_thread(daemon.ledger.mark_applied, entry.decision.id, now_s)
            log.info("decision applied again", id=entry.decision.id)
            done.append(entry.decision.id)
    await racks.reapply(daemon, now_s)
    return done


async def remember_load(daemon: Daemon, now_s: float) -> None:
    """Give every forecaster its history; a store without any is filled from the fleet's past first."""
    empty = [name for name in daemon.memory.services if daemon.history.last_at(name) is None]
    if empty:
        past = await past_of(daemon)
        await asyncio.to_thread(back_fill, daemon, {name: past.get(name, []) for name in empty}, now_s)
    for name, mind in daemon.minds.items():
        await asyncio.to_thread(load, daemon, name, mind, now_s)


async def past_of(daemon: Daemon) -> dict[str, list[list[float]]]:
    """The fleet's past; none where it keeps none."""
    try:
        return await daemon.fleet.past()
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return {}


def back_fill(daemon: Daemon, past: dict[str, list[list[float]]], now_s: float) -> None:
    """Write a past per minute into the history, as offered load and rates."""
    for name, minutes in past.items():
        step = daemon.memory.services[name].pool.step
        rows = [(name, minute[0], past_signals(step, *minute[1:])) for minute in minutes if minute[0] <= now_s]
        daemon.history.append_many(rows)


def past_signals(step: StepTime, arrivals_per_s: float, tokens_in: float, tokens_out: float) -> Signals:
    """What a minute of the past would have been observed as; lengths are means, tokens per request."""
    return {
        "offered_erlangs": arrivals_per_s * step.work_ms(tokens_in, tokens_out) / 1000,
        "arrivals_per_s": arrivals_per_s,
        "input_tokens_per_s": arrivals_per_s * tokens_in,
        "output_tokens_per_s": arrivals_per_s * tokens_out,
    }


def load(daemon: Daemon, name: str, mind: Mind, now_s: float) -> None:
    """Replay the recorded load, as far as it is not of a time to come, into the forecaster."""
    times, values = daemon.history.load(name, "offered_erlangs", now_s - HISTORY_S)
    known = times <= now_s
    if bool(np.any(known)):
        mind.forecaster.load(times[known], values[known], learned(daemon, name, mind, now_s))


def learned(daemon: Daemon, name: str, mind: Mind, now_s: float) -> Panel | None:
    """What was learned before the restart; None where there is nothing, or nothing that can be used."""
    kept = daemon.models.newest(name)
    if kept is None or kept[0] > now_s:
        return None
    try:
        loaded = mind.forecaster.recall(kept[1])
    except ValueError as error:
        log.warning("forecast: the kept model is left aside", service=name, reason=str(error))
        return None
    for lost in loaded.lost:
        log.info("forecast: a part of the kept model no longer fits", service=name, part=lost)
    daemon.memory.services[name].fitted_at_s = kept[0]
    return loaded.panel
