"""The meter beside the loop: what was there between two ticks is charged once, and what nobody watched is not."""

from __future__ import annotations

import pytest

from app.daemon.loop import one, told
from app.daemon.parts import Daemon
from autoscaler.cost.account import Terms, account
from autoscaler.cost.figures import tokens_of
from autoscaler.cost.store import CostStore
from collectors.observation import GpuSample, Scrape, TenantSample
from collectors.source import Target
from collectors.store import open_store
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import INTERVAL_S, START_S, FakeSource, World


async def metering(world: World) -> tuple[Daemon, CostStore]:
    daemon = await world.start()
    daemon.costs = CostStore(open_store("sqlite://"))
    return daemon, daemon.costs


async def test_ticks_are_charged_at_the_pools_price(world: World) -> None:
    daemon, costs = await metering(world)
    await ticks(daemon, 5)
    hours = costs.hours(START_S, START_S + 3600)
    assert (hours.service, hours.pool) == (("chat",), ("chat-h100",))
    assert hours.held_ms[0] == 60_000
    made = account(hours, Terms(), START_S, START_S + 3600)
    assert made.total_nano == pytest.approx(60 / 3600 * 2.0 * 1e9, abs=6)
    assert 0 < made.marginal_nano[0] < made.seen_nano[0]


async def test_tokens_are_those_that_were_served(world: World) -> None:
    daemon, costs = await metering(world)
    await ticks(daemon, 5)
    chat = [row for row in costs.usage(START_S, START_S + 3600) if row.service == "chat"]
    told_of = tokens_of(chat)
    assert (told_of.input, told_of.output, told_of.requests) == pytest.approx((120_000, 24_000, 120))
    assert (told_of.known, told_of.cached_known, chat[0].ms) == (1.0, 1.0, 60_000)


async def test_a_tick_over_the_hour_is_charged_in_both(world: World) -> None:
    daemon, costs = await metering(world)
    for at_s in (START_S + 3590, START_S + 3605):
        await one(daemon, told(daemon, at_s))
    assert costs.hours(START_S, START_S + 7200).held_ms.tolist() == [10_000, 5_000]


async def test_a_stretch_that_nobody_watched_is_not_charged(world: World) -> None:
    daemon, costs = await metering(world)
    await ticks(daemon, 2)
    await one(daemon, told(daemon, START_S + 100 * INTERVAL_S))
    [row] = [row for row in costs.usage(START_S, START_S + 3600) if row.service == "chat"]
    assert row.ms == 15_000


async def test_who_was_not_seen_is_held_but_tells_no_tokens(world: World) -> None:
    daemon, costs = await metering(world)
    await ticks(daemon, 2)
    world.source.blind = True
    await ticks(daemon, 2, first=2)
    [row] = [row for row in costs.usage(START_S, START_S + 3600) if row.service == "chat"]
    assert (row.ms, row.tokens_ms) == (45_000, 15_000)
    assert costs.hours(START_S, START_S + 3600).seen_ms[0] == 15_000


class Powered(FakeSource):
    """GPUs that tell their power, and a router that tells its tenants."""

    async def scrape(self, targets: list[Target], at_s: float) -> Scrape:  # type: ignore[override]
        seen = await super().scrape(targets, at_s)
        gpus = tuple(GpuSample(gpu.uuid, gpu.node, at_s, power_watts=400.0) for gpu in seen.gpus)
        tenants = {"acme": TenantSample("acme", at_s, at_s - START_S, 100 * (at_s - START_S))}
        return Scrape(at_s, seen.replicas, gpus, seen.gateway, seen.gaps, tenants)


async def test_joules_and_tenants(world: World) -> None:
    world.source = Powered()
    daemon, costs = await metering(world)
    await ticks(daemon, 3)
    rows = {row.service: row for row in costs.usage(START_S, START_S + 3600)}
    assert rows["chat"].joules == pytest.approx(400 * 30)
    assert rows["_fleet"].joules == pytest.approx(3 * 400 * 30)
    assert [(row.tenant, row.tokens, row.requests) for row in costs.tenants(0, 2e9)] == [("acme", 3000.0, 30.0)]
