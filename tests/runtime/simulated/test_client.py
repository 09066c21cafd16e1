"""The fleet and its clock from another process: what is read is what is there, over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Tier, Transition
from runtime.simulated.client import SimulatedClock, SimulatedFleet
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import START_S, rack, run, service, target, tiers, trace, world
from tests.runtime.simulated.hosts import served

SLOWLY, FAST = 1e-6, 6000.0


@pytest.fixture
async def fleet() -> AsyncIterator[tuple[World, SimulatedFleet]]:
    """One active and one standby replica; time as good as stands still."""
    behind = run(target(world(service("chat"), service("code")), active=1, standby=1), 101.0)
    async with served(behind, SLOWLY) as url:
        client = SimulatedFleet(url + "/")
        yield behind, client
        await client.close()


async def test_replicas_are_those_of_the_world(fleet: tuple[World, SimulatedFleet]) -> None:
    behind, client = fleet
    seen = await client.replicas()
    assert seen == tuple(behind.view(client.url))
    assert [(r.name, r.tier, r.serving) for r in seen] == [
        ("chat-0001", Tier.ACTIVE, True),
        ("code-0002", Tier.ACTIVE, True),
        ("chat-0003", Tier.STANDBY, False),
    ]


async def test_targets_are_applied_and_applying_them_again_changes_nothing(fleet: tuple[World, SimulatedFleet]) -> None:
    behind, client = fleet
    aims = [PoolTarget("chat", "chat-pool", active=2, standby=1)]
    await client.apply(aims, "d1")
    first = await client.replicas()
    await client.apply(aims, "d1")
    assert await client.replicas() == first
    assert [r.transition for r in first].count(Transition.LAUNCHING) == 1
    assert behind.replicas.targets["code"].active == 1


async def test_a_refused_target_is_an_error(fleet: tuple[World, SimulatedFleet]) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        await fleet[1].apply([PoolTarget("nobody", "pool", 1)], "d1")


async def test_lead_times_nodes_summary_and_past(fleet: tuple[World, SimulatedFleet]) -> None:
    behind, client = fleet
    run(target(behind, active=2), 1.0)
    assert await client.lead_times() == (LeadTimeSample("chat-pool", Tier.STANDBY, 0.5, START_S + 101.5),)
    assert await client.nodes() == tuple(f"{name}-pool-node-00{i}" for name in ("chat", "code") for i in range(3))
    assert [row["service"] for row in await client.summary()] == ["chat", "code"]
    assert await client.past() == {}


async def test_a_fleet_that_is_not_there_is_an_error() -> None:
    client = SimulatedFleet("http://127.0.0.1:9")
    with pytest.raises(httpx.ConnectError):
        await client.replicas()


async def test_the_clock_holds_time_between_two_moments_of_its_client() -> None:
    async with served(world(), FAST) as url:
        clock = SimulatedClock(url)
        assert await clock.speed() == FAST
        first_s = await clock.sleep_until(START_S)
        for at_s in (first_s + 15.0, first_s + 30.0, first_s + 45.0):
            assert await clock.sleep_until(at_s) == at_s
            await asyncio.sleep(0.05)
            assert await clock.now() == at_s
        await clock.close()


async def test_a_closed_clock_holds_nobody() -> None:
    behind = world()
    async with served(behind, FAST) as url:
        first, second = SimulatedClock(url), SimulatedClock(url)
        await first.sleep_until(START_S + 50)
        await first.close()
        assert await second.sleep_until(START_S + 500) >= START_S + 500
        await second.close()


async def test_the_end_of_a_trace_ends_the_wait_for_a_later_moment() -> None:
    async with served(world(workload=trace(1.0, 3)), FAST) as url:
        clock = SimulatedClock(url)
        assert await clock.sleep_until(START_S + 1e6) < START_S + 1000
        assert await clock.finished()
        await clock.close()


async def test_a_loop_over_http_moves_the_fleet_at_exact_times() -> None:
    """As the daemon does: wait, decide, apply; a cold start serves 100 s after it was asked for, to the digit."""
    behind = world()
    async with served(behind, FAST) as url:
        fleet, clock = SimulatedFleet(url), SimulatedClock(url)
        asked_s = await clock.sleep_until(START_S)
        await fleet.apply([PoolTarget("chat", "chat-pool", 2)], "d1")
        await clock.sleep_until(asked_s + 99)
        assert tiers(behind) == {"active": 1}
        await clock.sleep_until(asked_s + 101)
        assert tiers(behind) == {"active": 2}
        assert [sample.at_s for sample in await fleet.lead_times()] == [asked_s + 100]
        await clock.close()
        await fleet.close()


async def test_racks_are_told_and_hold_what_they_are_told_once() -> None:
    behind = world(service("chat", rack="rack"), service("code", 0, rack="rack"), racks=[rack(gpus=4)])
    async with served(behind, SLOWLY) as url:
        client = SimulatedFleet(url)
        assert await client.racks() == (RackView("rack", wanted=4, held=4, ordered=0, used=2),)
        for _ in range(2):
            await client.hold([RackTarget("rack", 7)], "d1")
            (told,) = await client.racks()
            assert (told.wanted, told.held, told.ordered, told.lent) == (7, 4, 3, 2)
        for wrong in (RackTarget("rack", 99), RackTarget("nowhere", 4)):
            with pytest.raises(httpx.HTTPStatusError, match="422"):
                await client.hold([RackTarget("rack", 5), wrong], "d2")
        assert (await client.racks())[0].wanted == 7
        await client.close()
