"""A provider takes spot replicas back and runs out of a pool: what had time to finish is served, the rest is a miss."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.fleet import LeadTimeSample
from runtime.replica import Tier, Transition
from runtime.simulated.samples import scrape
from runtime.simulated.summary import pools
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import (
    START_S,
    finish,
    mixed,
    rack,
    replicas,
    run,
    service,
    submit_all,
    target,
    tiers,
    trace,
    world,
)

HOUR_S = 3600.0


def spot(active: int = 4, **more: object) -> World:
    """Chat on spot replicas of two GPUs."""
    return world(service(active=active, spot=True, **more))  # type: ignore[arg-type]


def leaving(fleet: World) -> int:
    return sum(r.transition is Transition.DRAINING for r in replicas(fleet, settled=False))


# --- taken back ----------------------------------------------------------------------------------------------------


def test_who_is_taken_back_takes_no_new_request_and_serves_what_it_has() -> None:
    fleet = spot(active=2)
    submit_all(fleet, [(16, 160), (16, 160)])
    run(fleet, 1.0).reclaim("chat-pool", 1)
    assert (leaving(fleet), fleet.replicas.rotation.counts[0]) == (1, 1)
    submit_all(fleet, [(16, 16)] * 3)
    assert sorted(fleet.replicas.load(r) for r in replicas(fleet, settled=False) if r.has_process) == [1, 4]
    run(fleet, 20.0)
    assert (leaving(fleet), fleet.outcomes[0].attained, fleet.outcomes[0].lost) == (0, 5, 0)


def test_what_still_runs_at_the_end_of_the_notice_is_lost_and_a_miss() -> None:
    fleet = spot(active=1)
    submit_all(fleet, [(16, 16), (16, 3200)])
    fleet.reclaim("chat-pool", notice_s=50.0)
    run(fleet, 49.9)
    assert (leaving(fleet), fleet.outcomes[0].lost) == (1, 0)
    outcome = run(fleet, 0.2).outcomes[0]
    assert (leaving(fleet), outcome.lost, outcome.requests) == (0, 1, 2)
    assert outcome.attainment() == 0.5


def test_all_are_taken_whatever_they_are_doing() -> None:
    fleet = run(target(spot(active=2), active=2, standby=1, asleep=1, warm_node=1), 200.0)
    target(fleet, active=3, standby=1, asleep=1, warm_node=1)
    fleet.sold_out("chat-pool", fleet.now_s + HOUR_S)
    fleet.reclaim("chat-pool")
    assert not any(r.gpus for r in replicas(fleet, settled=False))
    assert pools(fleet)[0]["reclaimed"] == 6
    assert tiers(fleet) == {}


def test_what_was_taken_back_is_launched_anew() -> None:
    fleet = spot(active=4)
    fleet.reclaim("chat-pool", 3)
    assert tiers(fleet) == {"active": 1}
    assert tiers(run(fleet, 100.0)) == {"active": 4}


def test_a_target_does_not_bring_back_who_was_taken() -> None:
    fleet = spot(active=2)
    submit_all(fleet, [(16, 3200)] * 2)
    fleet.reclaim("chat-pool", notice_s=60.0)
    run(target(target(fleet, active=1), active=2), 59.0)
    assert fleet.replicas.rotation.counts[0] == 0
    assert sorted(r.name for r in replicas(fleet, Tier.COLD, settled=False)) == ["chat-0001", "chat-0002"]
    assert tiers(run(fleet, 45.0)) == {"active": 2}
    assert fleet.outcomes[0].lost == 2


def test_a_gpu_that_breaks_during_the_notice_frees_all_the_same() -> None:
    fleet = spot(active=1)
    submit_all(fleet, [(16, 3200)])
    fleet.reclaim("chat-pool")
    fleet.fail_gpu(replicas(fleet, settled=False)[0].gpus[0].uuid, "xid")
    assert tiers(run(fleet, 120.0)) == {"active": 1}
    assert len(replicas(fleet, settled=False)) == 1


def test_only_that_pool_is_touched() -> None:
    fleet = run(target(world(mixed(active=2, spot=True)), active=2, pool=1), 100.0)
    fleet.reclaim("slow")
    assert [r.pool.name for r in replicas(fleet)] == ["fast", "fast"]


def test_only_spot_is_taken_back_and_no_rack() -> None:
    with pytest.raises(ValueError, match="pool chat-pool is not spot"):
        world().reclaim("chat-pool")
    with pytest.raises(ValueError, match="-1 replicas to take back is below 0"):
        spot().reclaim("chat-pool", -1)
    with pytest.raises(KeyError):
        spot().reclaim("other")
    with pytest.raises(ValueError, match="pool chat-pool sleeps in a rack"):
        world(service(rack="rack", spot=True), racks=[rack()]).reclaim("chat-pool")


# --- sold out ------------------------------------------------------------------------------------------------------


def test_what_is_sold_out_stays_launching_on_no_node_and_costs_nothing() -> None:
    fleet = world(service(active=1))
    fleet.sold_out("chat-pool", START_S + HOUR_S)
    run(target(fleet, active=3), HOUR_S - 1)
    waiting = [r for r in fleet.view("http://fleet") if r.transition is Transition.LAUNCHING]
    assert [(r.node, r.gpus, r.since_s) for r in waiting] == [("", (), START_S)] * 2
    assert fleet.accounts[0].gpu_s == pytest.approx(2 * (HOUR_S - 1))
    assert len(scrape(fleet).replicas) == 1


def test_it_starts_when_there_is_some_again_and_its_wait_was_no_lead_time() -> None:
    fleet = world(service(active=1))
    fleet.sold_out("chat-pool", START_S + HOUR_S)
    run(target(fleet, active=2), HOUR_S + 99.0)
    assert tiers(fleet) == {"active": 1}
    assert tiers(run(fleet, 1.0)) == {"active": 2}
    assert list(fleet.replicas.lead_times) == [LeadTimeSample("chat-pool", Tier.COLD, 100.0, fleet.now_s)]
    assert fleet.accounts[0].gpu_s == pytest.approx(2 * (HOUR_S + 100) + 2 * 100)


def test_what_is_no_longer_wanted_stops_waiting() -> None:
    fleet = world(service(active=1))
    fleet.sold_out("chat-pool", START_S + HOUR_S)
    run(target(run(target(fleet, active=4), 60.0), active=1), 2 * HOUR_S)
    assert len(replicas(fleet, settled=False)) == 1
    assert list(fleet.replicas.lead_times) == []


def test_who_has_gpus_goes_on_and_moves_between_tiers() -> None:
    fleet = run(target(world(service(active=1)), active=1, standby=1, warm_node=1), 101.0)
    fleet.sold_out("chat-pool", fleet.now_s + HOUR_S)
    assert tiers(run(target(fleet, active=2), 1.0))["active"] == 2
    fleet = run(target(world(service(active=1)), active=1, warm_node=1), 101.0)
    fleet.sold_out("chat-pool", fleet.now_s + HOUR_S)
    assert tiers(run(target(fleet, active=2), 31.0)) == {"active": 2}


def test_a_shortage_can_be_longer_or_over_sooner_than_was_said() -> None:
    fleet = world(service(active=0))
    fleet.sold_out("chat-pool", START_S + 100.0)
    run(target(fleet, active=1), 50.0)
    fleet.sold_out("chat-pool", START_S + 60.0)
    assert tiers(run(fleet, 110.0)) == {"active": 1}
    fleet.sell_out("chat-pool")
    assert tiers(run(target(fleet, active=2), HOUR_S)) == {"active": 1}
    fleet.sell_out("chat-pool", False)
    assert tiers(run(fleet, 100.0)) == {"active": 2}
    with pytest.raises(KeyError):
        fleet.sold_out("other", START_S)


# --- whatever happens ----------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from(["aim", "take", "out", "break"]), st.integers(0, 5), st.floats(0, 200)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(steps, st.integers(0, 99))
def test_every_request_ends_and_every_gpu_is_in_one_hand(steps: list[tuple[str, int, float]], seed: int) -> None:
    fleet = world(mixed(active=2, spot=True), workload=trace(0.25, 800, output_tokens=200), seed=seed)
    for what, n, seconds in steps:
        if what == "aim":
            target(fleet, n, standby=n % 2, pool=1)
        elif what == "take":
            fleet.reclaim("slow", n, notice_s=20.0)
        elif what == "out":
            fleet.sold_out("slow", fleet.now_s + 30.0 * n)
        elif there := replicas(fleet):
            fleet.fail_gpu(there[n % len(there)].gpus[0].uuid, "xid")
        run(fleet, seconds)
        held = [g.uuid for r in replicas(fleet, settled=False) for g in r.gpus]
        assert sorted(held) == sorted(g.uuid for s in fleet.replicas.inventories for g in s.gpus if g.replica)
    outcome = finish(fleet).outcomes[0]
    assert outcome.requests == 800
    assert outcome.output_tokens == 200 * (800 - outcome.lost - outcome.rejected)
    wanted = fleet.replicas.lane("chat", "slow").target
    run(fleet, 1000.0)
    assert sum(r.pool.name == "slow" for r in replicas(fleet)) == wanted.active + wanted.standby
