"""Services share a rack: whoever needs GPUs wakes there, nobody takes them from anybody, and none is billed twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.pool import LeadTime
from runtime.replica import Tier, Transition
from runtime.simulated.replicas import FALL_ASLEEP_S
from runtime.simulated.summary import racks as rack_rows
from runtime.simulated.telemetry import Telemetry
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import finish, rack, replicas, run, service, target, tiers, trace, world

WAKE_S = 4.0


def shared(*active: int, gpus: int = 4, seed: int = 0, **of_rack: object) -> World:
    """Services of two GPUs a replica on one rack, with so many active at the start."""
    names = ("chat", "code", "search")[: len(active)]
    services = [service(name, n, rack="rack") for name, n in zip(names, active, strict=True)]
    return world(*services, racks=[rack(gpus, **of_rack)], seed=seed)


def counts(fleet: World) -> tuple[int, int, int]:
    of = fleet.racks["rack"]
    return of.held, of.ordered, of.used


def awake(fleet: World) -> list[int]:
    return fleet.replicas.rotation.counts.tolist()


# --- who sleeps wakes ----------------------------------------------------------------------------------------------


def test_a_start_in_a_rack_is_a_wake() -> None:
    fleet = target(shared(1, 0), active=1, service=1)
    waking = replicas(fleet, settled=False)[1]
    assert (waking.transition, waking.asleep, counts(fleet)) == (Transition.WAKING, True, (4, 0, 4))
    assert awake(run(fleet, WAKE_S)) == [1, 1]
    sample = fleet.replicas.lead_times[0]
    assert (sample.pool, sample.start, sample.seconds) == ("code-pool", Tier.ASLEEP, WAKE_S)


def test_who_stops_falls_asleep_before_another_wakes_in_its_place() -> None:
    fleet = target(shared(2, 0), active=1, service=1)
    assert awake(run(fleet, 100.0)) == [2, 0]
    run(target(fleet, active=1), FALL_ASLEEP_S - 0.5)
    assert (awake(fleet), counts(fleet)) == ([1, 0], (4, 0, 4))
    assert awake(run(fleet, 1.5 + WAKE_S)) == [1, 1]


def test_who_is_wanted_again_while_it_falls_asleep_wakes_again() -> None:
    fleet = run(target(shared(2), active=1), 2.0)
    run(target(fleet, active=2), WAKE_S)
    assert set(tiers(fleet)) == {"active"} and awake(fleet) == [2]
    assert [sample.start for sample in fleet.replicas.lead_times] == [Tier.ASLEEP]


def test_free_gpus_go_to_who_lacks_most_and_then_to_the_first() -> None:
    fleet = shared(0, 0, 0, gpus=0)
    for of, active in enumerate((1, 3, 2)):
        target(fleet, active, service=of)
    fleet.set_rack("rack", 4)
    assert awake(run(fleet, 60.0)) == [0, 2, 0]
    fleet.set_rack("rack", 6)
    assert awake(run(fleet, 60.0)) == [0, 2, 1]
    fleet.set_rack("rack", 10)
    assert awake(run(fleet, 60.0)) == [1, 3, 1]


def test_requests_are_served_across_a_wake_and_none_is_lost() -> None:
    quiet = service("code", 2, rack="rack")
    fleet = world(service("chat", 0, rack="rack"), quiet, workload=trace(0.5, 200), racks=[rack(4)])
    run(target(fleet, active=1), 20.0)
    assert fleet.outcomes[0].requests == 0
    outcome = finish(target(fleet, active=1, service=1)).outcomes[0]
    assert (outcome.requests, outcome.lost, outcome.rejected) == (200, 0, 0)


def test_a_client_that_calls_a_replica_by_name_as_it_falls_asleep_is_served() -> None:
    fleet = target(shared(1), active=0)
    slot = fleet.submit("chat", 16, 160, replicas(run(fleet, 1.5), settled=False)[0].name)
    run(fleet, 30.0)
    assert fleet.state.requests[slot]["generated"] == 160
    assert counts(fleet) == (4, 0, 0)


def test_a_dead_engine_frees_its_gpus_and_wakes_elsewhere() -> None:
    fleet = shared(1)
    fleet.fail_gpu(replicas(fleet)[0].gpus[0].uuid, "xid")
    assert awake(run(fleet, 10.0 + WAKE_S)) == [1]
    assert counts(fleet) == (4, 0, 2)


# --- how many GPUs -------------------------------------------------------------------------------------------------


def test_more_gpus_arrive_together_after_their_lead_time() -> None:
    fleet = shared(0)
    fleet.set_rack("rack", 9)
    assert counts(run(fleet, 49.0)) == (4, 5, 0)
    assert counts(run(fleet, 1.0)) == (9, 0, 0)
    assert len({g.uuid for g in fleet.racks["rack"].gpus}) == 9
    assert {g.node for g in fleet.racks["rack"].gpus} == {"rack-node-000", "rack-node-001"}


def test_fewer_cancel_orders_first_then_give_back_what_is_idle_then_what_becomes_so() -> None:
    fleet = shared(1)
    fleet.set_rack("rack", 9)
    fleet.set_rack("rack", 6)
    assert counts(fleet) == (4, 2, 2)
    fleet.set_rack("rack", 1)
    assert counts(fleet) == (2, 0, 2)
    run(target(fleet, active=0), 10.0)
    assert counts(fleet) == (1, 0, 0)


def test_broken_gpus_go_first_and_then_those_of_the_emptiest_node() -> None:
    fleet = shared(2, gpus=12, gpus_per_node=4)
    of = fleet.racks["rack"]
    fleet.fail_gpu(of.gpus[5].uuid, "xid")
    fleet.set_rack("rack", 7)
    assert [g.fault for g in of.gpus] == [None] * 7
    assert [g.node for g in of.gpus] == ["rack-node-000"] * 4 + ["rack-node-001"] * 3


@pytest.mark.parametrize("gpus", [-1, 17])
def test_a_rack_cannot_hold_more_than_it_may(gpus: int) -> None:
    fleet = shared(1)
    with pytest.raises(ValueError, match=f"rack rack: {gpus} GPUs is not within 0 and max_gpus 16"):
        fleet.set_rack("rack", gpus)
    assert counts(fleet) == (4, 0, 2)
    with pytest.raises(KeyError):
        fleet.set_rack("attic", 1)


# --- what it costs -------------------------------------------------------------------------------------------------


def test_who_is_awake_pays_in_full_and_the_rack_what_is_left_of_the_idle_price() -> None:
    """Chat has 2 of 4 GPUs for an hour; code wakes on the others in its middle, half an hour long."""
    fleet = run(shared(1, 0), 900.0)
    run(target(fleet, active=1, service=1), 1800.0)
    run(target(fleet, active=0, service=1), 900.0)
    chat, code = fleet.accounts
    assert (chat.gpu_s, chat.cost_usd) == (pytest.approx(7200), pytest.approx(6.0))
    assert code.cost_usd == pytest.approx(2 * 1803 / 3600 * 3, rel=0.001)
    row = rack_rows(fleet)[0]
    assert row["name"] == "rack" and row["held_gpu_hours"] == pytest.approx(4.0)
    assert row["used_gpu_hours"] == pytest.approx((chat.gpu_s + code.gpu_s) / 3600)
    assert row["idle_cost_usd"] == pytest.approx(row["lent_gpu_hours"] * 3.0 * 0.25)


def test_a_spare_in_a_rack_is_loaded_and_costs_in_full() -> None:
    fleet = run(target(shared(0), active=0, standby=1), 3600.0)
    assert fleet.accounts[0].cost_usd == pytest.approx(6.0)
    assert tiers(fleet) == {"standby": 1}


def test_the_gpus_of_a_rack_are_seen_once() -> None:
    nodes = Telemetry(shared(1, 1)).nodes()
    assert {node: len(gpus) for node, gpus in nodes.items()} == {"rack-node-000": 4}


# --- what cannot be ------------------------------------------------------------------------------------------------

IMPOSSIBLE: list[tuple[Callable[[], object], str]] = [
    (lambda: service(rack="rack", lead_times={Tier.COLD: LeadTime(1, 2)}), "lead_times has no asleep"),
    (lambda: world(service(rack="attic"), racks=[rack()]), "service chat: no rack attic; there is rack"),
    (lambda: world(service(rack="attic")), "there is none"),
    (lambda: world(service(rack="rack", gpu="L4"), racks=[rack()]), "L4 at 3.0 USD is not what rack rack holds"),
    (lambda: world(service(rack="rack"), racks=[rack(gpus_per_node=1)]), "gpus_per_replica 2 does not fit a node"),
    (lambda: target(shared(1), 1, asleep=1), "chat-pool sleeps on all of its rack; give asleep 0"),
    (lambda: target(shared(1), 1, warm_node=1), "give asleep 0 and warm_node 0"),
]


@pytest.mark.parametrize(("make", "complaint"), IMPOSSIBLE)
def test_what_cannot_be_in_a_rack_is_refused(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


def test_a_replica_in_a_rack_is_put_to_sleep_by_its_target_only() -> None:
    fleet = shared(1)
    with pytest.raises(ValueError, match="a lower target puts it to sleep"):
        fleet.replicas.sleep(replicas(fleet)[0], fleet.now_s)


# --- whatever happens ----------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 1), st.integers(0, 16), st.floats(0, 60)),
    min_size=1,
    max_size=12,
)


def play(steps: list[tuple[int, int, int, int, float]], seed: int) -> World:
    """Three services of one and two GPUs a replica under a trace for chat, on a rack that grows and shrinks."""
    fit = [("chat", 1), ("code", 2), ("search", 1)]
    lead = {Tier.ASLEEP: LeadTime(3, 9)}
    services = [service(n, 1, rack="rack", gpus_per_replica=g, lead_times=lead, hold_s=1e9) for n, g in fit]
    of = rack(6, gpus_per_node=4, lead_time=LeadTime(20, 60))
    fleet = world(*services, workload=trace(0.3, 400, output_tokens=80), racks=[of], seed=seed)
    for which, active, standby, gpus, seconds in steps:
        target(fleet, active, standby, service=which)
        fleet.set_rack("rack", gpus)
        check(fleet)
        run(fleet, seconds)
        check(fleet)
    return fleet


def check(fleet: World) -> None:
    """No GPU is in two hands or unknown to its rack; what is held is used or lent, to the second."""
    of, held = fleet.racks["rack"], [g for r in replicas(fleet, settled=False) for g in r.gpus]
    assert sorted(g.uuid for g in held) == sorted(g.uuid for g in of.gpus if g.replica is not None)
    assert all(len({g.node for g in r.gpus}) == 1 for r in replicas(fleet, settled=False))
    assert of.held <= max(of.wanted, of.used) and of.held + of.ordered <= of.rack.max_gpus
    assert of.ordered == max(0, of.wanted - of.held)
    assert of.held_gpu_s == pytest.approx(of.used_gpu_s + of.lent_gpu_s)
    assert of.used_gpu_s == pytest.approx(sum(a.gpu_s for a in fleet.accounts))


@settings(max_examples=40, deadline=None)
@given(steps, st.integers(0, 99))
def test_no_gpu_is_in_two_hands_and_nothing_is_aborted(
    steps: list[tuple[int, int, int, int, float]], seed: int
) -> None:
    fleet = play(steps, seed)
    fleet.set_rack("rack", 16)
    outcome = finish(target(fleet, active=2)).outcomes[0]
    assert (outcome.requests, outcome.lost, outcome.rejected) == (400, 0, 0)


@settings(max_examples=10, deadline=None)
@given(steps, st.integers(0, 99))
def test_the_same_seed_gives_the_same_rack(steps: list[tuple[int, int, int, int, float]], seed: int) -> None:
    one, same = play(steps, seed), play(steps, seed)
    assert rack_rows(one) == rack_rows(same)
    assert list(one.replicas.lead_times) == list(same.replicas.lead_times)
