"""A live world moves with its pacer, waits for who holds it, and stands still once its workload has ended."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from runtime.simulated.live import LiveWorld
from tests.runtime.simulated.fleets import START_S, trace, world
from tests.runtime.simulated.hosts import Driven


def passed(live: LiveWorld) -> float:
    return live.world.now_s - START_S


def test_it_moves_as_far_as_its_pacer_allows() -> None:
    live = LiveWorld(world(), speed=60.0)
    wall_s = live.pacer.wall_s + 0.5
    for _ in range(100):
        live.advance(wall_s)
    assert passed(live) == pytest.approx(30.0)


def test_a_world_too_large_for_its_speed_falls_behind_and_catches_up() -> None:
    """Twenty thousand looks take longer than a server may leave its clients without an answer."""
    live = LiveWorld(world(), speed=1e5)
    wall_s = live.pacer.wall_s + 0.2
    live.advance(wall_s)
    assert 0 < passed(live) < 20_000
    while passed(live) < 19_999:
        live.advance(wall_s)
    assert passed(live) == pytest.approx(20_000)


async def test_who_waits_is_woken_by_every_tick() -> None:
    live = LiveWorld(world(), 1.0)
    waiting = asyncio.ensure_future(live.tick())
    await asyncio.sleep(0)
    assert not waiting.done()
    live.advance(live.pacer.wall_s + 1.0)
    await waiting


async def test_waiting_for_a_moment_holds_time_there() -> None:
    fleet = Driven(world(), speed=600.0)
    await fleet.during(fleet.live.wait_until("loop", START_S + 15.0))
    assert passed(fleet.live) == 15.0
    fleet.live.advance(fleet.live.pacer.wall_s + 1.0)
    assert passed(fleet.live) == 15.0
    await fleet.during(fleet.live.wait_until("loop", START_S + 30.0))
    assert passed(fleet.live) == 30.0


async def test_waiting_for_the_past_returns_at_once_and_still_holds() -> None:
    fleet = Driven(world(), speed=600.0)
    await asyncio.wait_for(fleet.live.wait_until("loop", START_S - 5.0), 1.0)
    fleet.live.advance(fleet.live.pacer.wall_s + 1.0)
    assert passed(fleet.live) == 0.0


async def test_the_slowest_of_two_loops_is_waited_for() -> None:
    fleet = Driven(world(), speed=600.0)
    live = fleet.live
    await fleet.during(live.wait_until("slow", START_S + 10.0))
    fast = asyncio.ensure_future(live.wait_until("fast", START_S + 20.0))
    await asyncio.sleep(0)
    live.advance(live.pacer.wall_s + 1.0)
    assert passed(live) == 10.0 and not fast.done()
    live.pacer.release("slow")
    await fleet.during(_joined(fast))
    assert passed(live) == 20.0


async def _joined(task: asyncio.Future[None]) -> None:
    await task


async def test_the_end_of_the_workload_ends_waiting_and_time() -> None:
    fleet = Driven(world(workload=trace(1.0, 3)), speed=600.0)
    await fleet.during(fleet.live.wait_until("loop", START_S + 1e6))
    assert fleet.world.finished
    ended_s = fleet.world.now_s
    fleet.live.advance(fleet.live.pacer.wall_s + 1.0)
    assert fleet.world.now_s == ended_s


async def test_it_runs_by_itself_until_it_is_cancelled() -> None:
    live = LiveWorld(world(workload=trace(1.0, 3)), speed=10_000.0)
    running = asyncio.create_task(live.run())
    await live.wait_until("anyone", START_S + 100.0)
    assert live.world.finished
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
