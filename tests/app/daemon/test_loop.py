"""The loop keeps to its grid, counts what came late, and goes on after what may be expected to fail."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.daemon import loop
from app.daemon.parts import Daemon
from tests.app.fakes import INTERVAL_S, START_S, World


@given(st.floats(0, 2e9), st.floats(1, 300))
def test_the_next_tick_is_on_the_grid_and_ahead(now_s: float, interval_s: float) -> None:
    at_s = loop.next_tick(now_s, interval_s)
    assert now_s < at_s <= now_s + interval_s * 1.001
    assert at_s / interval_s == pytest.approx(round(at_s / interval_s))


async def run_for(daemon: Daemon, ticks: int) -> None:
    running = asyncio.create_task(loop.run(daemon))
    while daemon.memory.tally.ticks < ticks and not running.done():
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_the_loop_starts_at_once_and_ticks_on(world: World) -> None:
    daemon = await world.start()
    await run_for(daemon, 4)
    times = sorted(entry.decision.at_s for entry in daemon.ledger.list("chat"))
    assert times[:3] == [START_S, START_S + INTERVAL_S, START_S + 2 * INTERVAL_S]


async def test_a_moment_is_decided_on_once(world: World) -> None:
    daemon = await world.start()
    assert loop.first_tick(daemon) == START_S
    await loop.one(daemon, START_S)
    assert loop.first_tick(await world.start()) == START_S + INTERVAL_S


async def test_the_end_of_time_is_decided_on_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace's clock stands still at its end; it had counted a decision per turn of the loop there."""
    monkeypatch.setattr(loop, "RETRY_S", 0.01)
    daemon = await world.start()
    world.clock.end_s = START_S + 2 * INTERVAL_S
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.run(daemon), 1.0)
    assert daemon.memory.tally.ticks == 3


async def test_who_calls_does_not_wait_for_the_next_tick(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = await world.start()
    monkeypatch.setattr(world.clock, "sleep_until", lambda _: asyncio.Event().wait())
    daemon.memory.called.set()
    assert await loop.waited(daemon, START_S + INTERVAL_S) == START_S
    assert not daemon.memory.called.is_set()


async def test_late_ticks_are_counted_and_not_made_up_for(world: World) -> None:
    daemon = await world.start()
    world.clock.late_s = 2.5 * INTERVAL_S
    assert await loop.waited(daemon, START_S) == START_S + 2.5 * INTERVAL_S
    assert daemon.memory.tally.overruns == 2


async def test_a_fleet_that_comes_late_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RETRY_S", 0.01)
    daemon = await world.start()
    world.fleet.down = True
    running = asyncio.create_task(run_for(daemon, 1))
    await asyncio.sleep(0.05)
    assert daemon.memory.ticked_at_s is None
    world.fleet.down = False
    await running
    assert daemon.memory.tally.failed_ticks == 0


async def test_what_is_refused_for_good_is_not_in_the_way_of_all_else(world: World) -> None:
    daemon = await world.start()
    world.fleet.deaf = True
    await loop.one(daemon, START_S)
    assert daemon.ledger.unapplied("chat") is not None
    assert await loop.attempted(daemon, loop.begin)


async def test_a_defect_is_not_swallowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = await world.start()

    async def broken() -> tuple[str, ...]:
        raise ValueError("a defect")

    monkeypatch.setattr(world.fleet, "nodes", broken)
    with pytest.raises(ValueError, match="a defect"):
        await loop.one(daemon, START_S)
