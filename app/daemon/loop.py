"""The control loop: wait for the next tick, do it, go on whatever happened.

Ticks lie on a grid of the interval, so a restart does not shift them. What is expected to go wrong (the fleet, the
source, the store out of reach) costs one tick and one line in the log; anything else is a defect and ends the
process, loudly.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.daemon.declaring import declare
from app.daemon.leading import acts
from app.daemon.nodes import close_nodes
from app.daemon.parts import Daemon
from app.daemon.start import reapply, remember_load, restore, take_over
from app.daemon.tick import tick
from app.daemon.trials import advance
from app.tracing import span
from collectors.redact import redacted

EXPECTED = (httpx.HTTPError, OSError, SQLAlchemyError)
"""What may fail without being a defect of ours."""

RETRY_S = 0.5
"""Real seconds before the next attempt where not even the time can be told."""

HOUSEKEEPING_S = 3600.0
DECISIONS_KEPT_S = 30 * 86400.0

Step = Callable[[Daemon], Awaitable[None]]

log = structlog.get_logger()


async def run(daemon: Daemon) -> None:
    """Start and then tick until cancelled."""
    while not await attempted(daemon, begin):
        await asyncio.sleep(RETRY_S)
    at_s = first_tick(daemon)
    decided_s: float | None = None
    tidy_at_s = daemon.memory.now_s + HOUSEKEEPING_S
    while True:
        now_s = await waited(daemon, at_s)
        # A clock that stands still, as a trace's does at its end, comes back at once: that moment is decided on.
        if now_s is None or now_s == decided_s:
            await asyncio.sleep(RETRY_S)
            continue
        await turn(daemon, now_s)
        decided_s = now_s
        if now_s >= tidy_at_s:
            tidy_at_s = now_s + HOUSEKEEPING_S
            await attempted(daemon, tidy)
        at_s = next_tick(now_s, daemon.interval_s)


async def turn(daemon: Daemon, now_s: float) -> None:
    """One moment: take over if this daemon has come to lead, the tick, and what goes on beside it."""
    with span("turn"):
        await steps(daemon, now_s)


async def steps(daemon: Daemon, now_s: float) -> None:
    """One after the other; one that fails keeps none of the others."""
    if not daemon.acting:
        await attempted(daemon, succeed)
    with span("tick"):
        await one(daemon, now_s)
    await attempted(daemon, declare)
    await attempted(daemon, close_nodes)
    if acts(daemon):
        await attempted(daemon, trials)
        await attempted(daemon, fit)
        await attempted(daemon, tune)


async def succeed(daemon: Daemon) -> None:
    """Take over, where the lead has become ours."""
    await take_over(daemon, daemon.memory.now_s)


def next_tick(now_s: float, interval_s: float) -> float:
    """The first moment of the grid after now."""
    return (math.floor(now_s / interval_s) + 1) * interval_s


def first_tick(daemon: Daemon) -> float:
    """At once, so that whoever asks has an answer; a moment that has been decided on already is not decided again."""
    now_s = daemon.memory.now_s
    latest = [daemon.ledger.latest(name) for name in daemon.memory.services]
    decided = any(entry is not None and entry.decision.at_s == now_s for entry in latest)
    return next_tick(now_s, daemon.interval_s) if decided else now_s


async def begin(daemon: Daemon) -> None:
    """Everything that comes before the first tick."""
    now_s = told(daemon, await daemon.clock.now())
    daemon.memory.speed = await daemon.clock.speed()
    await asyncio.to_thread(restore, daemon, now_s)
    await remember_load(daemon, now_s)
    if acts(daemon):
        await attempted(daemon, carry_on)  # what is refused for good would be in the way of all else


async def carry_on(daemon: Daemon) -> None:
    """Do what was decided and perhaps not done; the next decision supersedes what cannot be."""
    await reapply(daemon, daemon.memory.now_s)


async def waited(daemon: Daemon, at_s: float) -> float | None:
    """Sleep until then; gives the time, or None where the clock cannot be read. Late ticks are counted and said."""
    try:
        now_s = told(daemon, await slept(daemon, at_s))
    except EXPECTED as error:
        failed(daemon, "the clock does not answer", error)
        return None
    missed = int((now_s - at_s) / daemon.interval_s)
    tally = daemon.memory.tally
    if missed > 0:
        tally.overruns += missed
        if tally.overruns.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, …: said, but not at every tick
            log.warning("ticks came too late", missed=missed, overruns=tally.overruns)
    return now_s


async def slept(daemon: Daemon, at_s: float) -> float:
    """Sleep until then, or until somebody calls; gives the time."""
    called = daemon.memory.called
    sleeping, calling = asyncio.ensure_future(daemon.clock.sleep_until(at_s)), asyncio.ensure_future(called.wait())
    try:
        done, _ = await asyncio.wait((sleeping, calling), return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeping.cancel()
        calling.cancel()
    called.clear()
    return sleeping.result() if sleeping in done else await daemon.clock.now()


def told(daemon: Daemon, now_s: float) -> float:
    """Keep the time for those who ask between ticks."""
    daemon.memory.now_s, daemon.memory.told_at_monotonic_s = now_s, time.monotonic()
    return now_s


async def one(daemon: Daemon, now_s: float) -> None:
    """One tick; a failed one is counted and logged, and the loop goes on."""
    daemon.memory.tally.ticks += 1
    try:
        await tick(daemon, now_s)
    except EXPECTED as error:
        daemon.memory.tally.failed_ticks += 1
        failed(daemon, "tick failed", error)
    else:
        daemon.memory.trouble = None


async def tidy(daemon: Daemon) -> None:
    """Thin out the history and forget old decisions, if they are ours."""
    if not acts(daemon):
        return
    now_s = daemon.memory.now_s
    await asyncio.to_thread(daemon.history.compact, now_s)
    await asyncio.to_thread(daemon.ledger.prune, now_s - DECISIONS_KEPT_S)
    await asyncio.to_thread(daemon.rack_ledger.prune, now_s - DECISIONS_KEPT_S)


async def trials(daemon: Daemon) -> None:
    """Candidates in shadow decide too, and policies on watch are measured."""
    await advance(daemon)


async def fit(daemon: Daemon) -> None:
    """Let experts learn, beside the loop."""
    await daemon.fitting.advance(daemon.memory, daemon.minds, daemon.models, daemon.memory.now_s)


async def tune(daemon: Daemon) -> None:
    """Let knobs be searched for, beside the loop."""
    await daemon.searching.advance(daemon.memory, daemon.tunings, daemon.memory.now_s)


async def attempted(daemon: Daemon, step: Step) -> bool:
    """Whether a step that may fail went well."""
    try:
        with span(step.__name__):
            await step(daemon)
    except EXPECTED as error:
        failed(daemon, f"{step.__name__} failed", error)
        return False
    return True


def failed(daemon: Daemon, what: str, error: Exception) -> None:
    """Say what went wrong in one line, in the log (once, until it changes or mends) and to whoever looks."""
    reason = redacted((str(error).splitlines() or [""])[0]) or type(error).__name__
    trouble = f"{what}: {reason}"
    if trouble != daemon.memory.trouble:
        log.warning(what, reason=reason, kind=type(error).__name__)
    daemon.memory.trouble = trouble
