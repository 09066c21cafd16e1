"""Several pools run one service in one rotation, each with its own target, GPUs, speed, lead times and price."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Tier
from runtime.simulated.samples import scrape
from runtime.simulated.services import SimulatedService
from runtime.simulated.summary import pools, summarise
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import (
    POOL,
    SLO,
    START_S,
    finish,
    mixed,
    rack,
    replicas,
    run,
    service,
    target,
    trace,
    world,
)


def of_pool(fleet: World, pool: str) -> int:
    """Replicas of a pool in rotation."""
    return sum(r.serving and r.pool.name == pool for r in replicas(fleet))


def test_a_service_starts_with_replicas_of_its_first_pool() -> None:
    fleet = world(mixed(active=2))
    assert (of_pool(fleet, "fast"), of_pool(fleet, "slow")) == (2, 0)
    assert [pool.name for pool in fleet.services[0].pools] == ["fast", "slow"]


def test_pools_not_named_in_targets_keep_theirs() -> None:
    fleet = run(target(world(mixed(active=2)), active=3, pool=1), 100.0)
    assert (of_pool(fleet, "fast"), of_pool(fleet, "slow")) == (2, 3)
    assert fleet.replicas.rotation.counts[0] == 5
    run(target(fleet, active=1), 10.0)
    assert (of_pool(fleet, "fast"), of_pool(fleet, "slow")) == (1, 3)
    assert (fleet.accounts[0].scale_ups, fleet.accounts[0].scale_downs) == (1, 1)


def test_each_pool_starts_in_its_own_time() -> None:
    fleet = world(mixed(lead_times={Tier.COLD: LeadTime(20.0, 20.0)}))
    fleet.set_targets([PoolTarget("chat", "fast", 2), PoolTarget("chat", "slow", 1)])
    run(fleet, 200.0)
    assert list(fleet.replicas.lead_times) == [
        LeadTimeSample("slow", Tier.COLD, 20.0, START_S + 20),
        LeadTimeSample("fast", Tier.COLD, 100.0, START_S + 100),
    ]


def test_each_pool_has_its_own_gpus_and_engines() -> None:
    fleet = run(target(world(mixed()), active=1, pool=1), 100.0)
    fast, slow = fleet.view("http://fleet")
    assert (fast.pool, fast.node, len(fast.gpus)) == ("fast", "fast-node-000", 2)
    assert (slow.pool, slow.node, len(slow.gpus)) == ("slow", "slow-node-000", 1)
    assert slow.service == fast.service == "chat"
    seen = scrape(fleet).replicas
    assert seen[slow.name].kv_capacity_tokens == 501 * 16
    assert seen[fast.name].kv_capacity_tokens == 1001 * 16


def test_a_dead_engine_comes_back_as_one_of_its_own_pool() -> None:
    fleet = run(target(world(mixed()), active=1, pool=1), 100.0)
    slow = next(r for r in replicas(fleet) if r.pool.name == "slow")
    fleet.fail_gpu(slow.gpus[0].uuid, "xid")
    assert fleet.state.replicas[slow.row]["a"] == 0.125
    run(fleet, 120.0)
    assert (of_pool(fleet, "fast"), of_pool(fleet, "slow")) == (1, 1)


def test_each_pool_is_billed_at_its_own_price() -> None:
    fleet = run(target(world(mixed()), active=2, pool=1), 3600.0)
    rows = {row["pool"]: row for row in pools(fleet)}
    assert rows["fast"]["cost_usd"] == pytest.approx(6.0)
    assert (rows["slow"]["gpu_hours"], rows["slow"]["cost_usd"]) == (pytest.approx(2.0), pytest.approx(3.0))
    assert summarise(fleet)[0]["cost_usd"] == pytest.approx(9.0)


@pytest.mark.parametrize(("router", "share"), [("least-requests", 1 / 2), ("weighted", 1 / 3)])
def test_a_router_that_knows_speeds_sends_half_as_much_to_who_is_half_as_fast(router: str, share: float) -> None:
    load = trace(every_s=0.0625, count=300, output_tokens=2000)
    fleet = world(mixed(lead_times={Tier.COLD: LeadTime(0.0, 0.0)}), workload=load, router=router)
    run(run(target(fleet, active=1, pool=1), 0.0625), 18.75)
    loads = {r.pool.name: fleet.replicas.load(r) for r in replicas(fleet)}
    assert loads["slow"] / sum(loads.values()) == pytest.approx(share, abs=0.01)


def test_requests_that_were_held_go_where_the_router_says() -> None:
    fleet = run(target(target(world(mixed(active=0), router="weighted"), active=1), active=1, pool=1), 50.0)
    slots = [fleet.submit("chat", 64, 32) for _ in range(9)]
    run(fleet, 51.0)
    loads = {r.pool.name: fleet.replicas.load(r) for r in replicas(fleet)}
    assert loads == {"fast": 6, "slow": 3} and len(slots) == 9


@pytest.mark.parametrize("router", ["power-of-two", "round-robin", "least-tokens", "lmetric", "prefix-affinity"])
def test_every_router_serves_all_and_the_same_again_for_a_seed(router: str) -> None:
    runs = []
    for _ in range(2):
        fleet = world(mixed(active=2), workload=trace(0.1, 300), router=router, seed=3)
        runs.append(summarise(finish(target(fleet, active=2, pool=1))))
    assert runs[0] == runs[1] and runs[0][0]["requests"] == 300


def test_a_rack_may_have_a_pool_of_its_own_gpus_beside_it() -> None:
    shared = replace(mixed(active=1), rack="rack")
    fleet = run(target(target(world(shared, racks=[rack(2)]), active=3), active=1, pool=1), 100.0)
    assert (of_pool(fleet, "fast"), of_pool(fleet, "slow")) == (1, 1)
    assert (fleet.racks["rack"].used, len(fleet.replicas.inventories)) == (2, 2)


WRONG = [PoolTarget("nobody", "fast", 1), PoolTarget("chat", "other", 1), PoolTarget("chat", "slow", -1)]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_changes_no_pool(wrong: PoolTarget) -> None:
    fleet = world(mixed())
    with pytest.raises((KeyError, ValueError)):
        fleet.set_targets([PoolTarget("chat", "slow", 5), wrong])
    assert fleet.replicas.lane("chat", "slow").target.active == 0


def test_pools_must_be_told_apart_and_each_must_work() -> None:
    with pytest.raises(ValueError, match="two of its pools are named alike"):
        mixed(name="fast")
    with pytest.raises(ValueError, match="pool slow: gpus_per_replica 16"):
        mixed(gpus_per_replica=16)
    with pytest.raises(ValueError, match="pool slow: lead_times has neither cold"):
        SimulatedService("chat", POOL, SLO, 1, 8, more_pools=(replace(POOL, name="slow", lead_times={}),))
    with pytest.raises(ValueError, match="no router 'best'"):
        world(router="best")


numbers = st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 2), st.integers(0, 2), st.floats(0, 80))


@settings(max_examples=25, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=8), st.integers(0, 99))
def test_each_pool_reaches_its_target_on_gpus_of_its_own(
    steps: list[tuple[int, int, int, int, float]], seed: int
) -> None:
    fleet, last = world(mixed(room=12), service("code"), seed=seed), {0: (1, 0, 0), 1: (0, 0, 0)}
    for pool, active, standby, asleep, seconds in steps:
        run(target(fleet, active, standby, asleep, pool=pool), seconds)
        last[pool] = active, standby, asleep
        for lane in fleet.replicas.lanes:
            held = [g.uuid for r in replicas(fleet, settled=False) if r.lane is lane for g in r.gpus]
            assert sorted(held) == sorted(g.uuid for g in lane.stock.gpus if g.replica is not None)
        assert sum(a.gpu_s for a in fleet.accounts) == pytest.approx(sum(lane.gpu_s for lane in fleet.replicas.lanes))
    run(fleet, 600.0)
    tiers = (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)
    for pool, lane in enumerate(fleet.replicas.lanes[:2]):
        there = [r for r in replicas(fleet) if r.lane is lane]
        assert tuple(sum(r.tier is tier for r in there) for tier in tiers) == last[pool]
