"""Replicas move towards their targets, take their lead times, hold real GPUs, and drain without losing anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Tier, Transition
from runtime.simulated.replicas import FAILURE_SEEN_S, FALL_ASLEEP_S
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import (
    POOL,
    START_S,
    replicas,
    run,
    service,
    submit_all,
    target,
    tiers,
    world,
)


def samples(world: World) -> list[tuple[Tier, float]]:
    return [(sample.start, sample.seconds) for sample in world.replicas.lead_times]


def in_rotation(world: World, service: int = 0) -> set[str]:
    rotation = world.replicas.rotation
    rows = rotation.rows[service, : rotation.counts[service]].tolist()
    return {r.name for r in replicas(world, settled=False) if r.row in rows}


# --- up ----------------------------------------------------------------------------------------------------------


def test_a_fleet_starts_with_what_it_was_given() -> None:
    fleet = world(service(active=3))
    assert tiers(fleet) == {"active": 3}
    assert in_rotation(fleet) == {"chat-0001", "chat-0002", "chat-0003"}


def test_a_cold_start_takes_its_lead_time() -> None:
    fleet = run(target(world(), active=2), 99.9)
    assert tiers(fleet) == {"active": 1}
    run(fleet, 0.2)
    assert in_rotation(fleet) == {"chat-0001", "chat-0002"}
    assert list(fleet.replicas.lead_times) == [LeadTimeSample("chat-pool", Tier.COLD, 100.0, START_S + 100)]


def test_each_tier_takes_its_own_lead_time_and_is_measured() -> None:
    fleet = run(target(world(), active=1, standby=1, asleep=1), 101.0)
    assert tiers(fleet) == {"active": 1, "standby": 1, "asleep": 1}
    assert samples(fleet) == []
    run(target(fleet, active=3), 0.5)
    assert tiers(fleet) == {"active": 2}
    run(fleet, 3.5)
    assert tiers(fleet) == {"active": 3}
    assert samples(fleet) == [(Tier.STANDBY, 0.5), (Tier.ASLEEP, 4.0)]


def test_a_launch_in_the_place_of_a_warm_node_keeps_its_gpus_and_is_quicker() -> None:
    fleet = run(target(world(), active=1, warm_node=1), 1.0)
    node = replicas(fleet, Tier.WARM_NODE)[0]
    held = [g.uuid for g in node.gpus]
    run(target(fleet, active=2, warm_node=1), 30.0)
    assert tiers(fleet) == {"active": 2, "warm_node": 1}
    assert [g.uuid for g in replicas(fleet, Tier.ACTIVE)[1].gpus] == held
    assert samples(fleet) == [(Tier.WARM_NODE, 30.0)]


def test_a_warm_node_is_used_up_where_none_is_wanted_any_more() -> None:
    fleet = run(target(world(), active=1, warm_node=1), 1.0)
    run(target(fleet, active=2, warm_node=0), 30.0)
    assert tiers(fleet) == {"active": 2}


def test_a_standby_on_its_way_is_redirected_and_measured_from_its_start() -> None:
    fleet = run(target(world(), active=1, standby=1), 60.0)
    run(target(fleet, active=2), 40.0)
    assert tiers(fleet) == {"active": 2}
    assert samples(fleet) == [(Tier.COLD, 100.0)]


def test_measured_lead_times_have_the_median_and_the_tail_they_were_drawn_from() -> None:
    times = {Tier.COLD: LeadTime(100.0, 200.0)}
    fleet = world(service(active=0, room=400, lead_times=times), seed=3)
    run(target(fleet, active=400), 2000.0)
    seconds = [s for _, s in samples(fleet)]
    assert len(seconds) == 400
    assert np.percentile(seconds, [50, 90]) == pytest.approx([100, 200], rel=0.12)


# --- down --------------------------------------------------------------------------------------------------------


def test_an_idle_replica_is_gone_with_the_next_look() -> None:
    fleet = target(world(service(active=3)), active=1)
    assert len(in_rotation(fleet)) == 1
    assert tiers(run(fleet, 1.0)) == {"active": 1}


def test_a_busy_replica_leaves_rotation_at_once_and_stays_until_it_is_empty() -> None:
    fleet = world(service(active=2))
    submit_all(fleet, [(16, 320), (16, 320)])
    target(run(fleet, 1.0), active=1)
    assert len(in_rotation(fleet)) == 1
    run(fleet, 18.0)
    assert len(replicas(fleet, Tier.COLD, settled=False)) == 1
    run(fleet, 3.0)
    assert tiers(fleet) == {"active": 1}
    assert fleet.outcomes[0].attained == 2


def test_a_drain_is_undone_at_once() -> None:
    fleet = world(service(active=2))
    submit_all(fleet, [(16, 320), (16, 320)])
    target(run(fleet, 1.0), active=1)
    target(fleet, active=2)
    assert in_rotation(fleet) == {"chat-0001", "chat-0002"}
    assert samples(fleet) == []


def test_a_drained_replica_becomes_standby_or_falls_asleep() -> None:
    fleet = target(world(service(active=3)), active=1, standby=1, asleep=1)
    assert tiers(run(fleet, 1.0)) == {"active": 1, "standby": 1}
    assert tiers(run(fleet, FALL_ASLEEP_S)) == {"active": 1, "standby": 1, "asleep": 1}


def test_a_fleet_may_shrink_to_nothing_and_grow_again() -> None:
    fleet = run(target(world(service(active=3)), active=0), 2.0)
    assert replicas(fleet, settled=False) == []
    assert all(gpu.replica is None for gpu in fleet.replicas.inventories[0].gpus)
    assert tiers(run(target(fleet, active=2), 100.0)) == {"active": 2}


def test_a_standby_that_a_client_calls_by_name_is_not_stopped_under_it() -> None:
    for spare in ({"standby": 0}, {"asleep": 1}):
        fleet = run(target(world(), active=1, standby=1), 101.0)
        slot = fleet.submit("chat", 16, 160, replicas(fleet, Tier.STANDBY)[0].name)
        run(target(run(fleet, 1.0), active=1, **spare), 30.0)
        assert fleet.state.requests[slot]["generated"] == 160
        assert tiers(fleet).get("asleep", 0) == spare.get("asleep", 0)


# --- targets -----------------------------------------------------------------------------------------------------


def test_the_same_targets_twice_change_nothing_the_second_time() -> None:
    fleet = run(target(world(service(active=2)), active=4, standby=1, asleep=1, warm_node=1), 5.0)
    before = [replace(r) for r in replicas(fleet, settled=False)]
    target(fleet, active=4, standby=1, asleep=1, warm_node=1)
    assert replicas(fleet, settled=False) == before


WRONG = [
    PoolTarget("nobody", "chat-pool", 1),
    PoolTarget("chat", "other-pool", 1),
    PoolTarget("chat", "chat-pool", 1, standby=-1),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_changes_nothing_of_the_right_ones_beside_it(wrong: PoolTarget) -> None:
    fleet = world(service(active=1))
    with pytest.raises((KeyError, ValueError)):
        fleet.set_targets([PoolTarget("chat", "chat-pool", 5), wrong])
    assert fleet.replicas.targets["chat"].active == 1
    assert fleet.accounts[0].scale_ups == 0
    assert tiers(run(fleet, 200.0)) == {"active": 1}


def test_targets_of_one_service_leave_the_others_alone() -> None:
    fleet = world(service("chat", active=1), service("code", active=2))
    run(target(fleet, active=3, service=1), 100.0)
    assert len(in_rotation(fleet, 0)) == 1
    assert len(in_rotation(fleet, 1)) == 3


numbers = st.tuples(*[st.integers(0, 4)] * 4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(0, 150)), min_size=1, max_size=8), st.integers(0, 2**16))
def test_whatever_was_asked_before_the_last_targets_are_reached(
    steps: list[tuple[tuple[int, int, int, int], float]], seed: int
) -> None:
    """And on the way no GPU is in two hands, nor is any lost."""
    fleet = world(service(active=2, room=16, gpus_per_replica=1), seed=seed, launch_failure=0.2)
    for numbers, seconds in steps:
        run(target(fleet, *numbers), seconds)
        held = [g.uuid for r in replicas(fleet, settled=False) for g in r.gpus]
        owned = [g.uuid for g in fleet.replicas.inventories[0].gpus if g.replica is not None]
        assert sorted(held) == sorted(owned)
    run(fleet, 1200.0)
    names = ("active", "standby", "asleep", "warm_node")
    assert tiers(fleet) == {name: n for name, n in zip(names, steps[-1][0], strict=True) if n}


# --- GPUs --------------------------------------------------------------------------------------------------------


def test_without_free_gpus_a_launch_waits_and_starts_when_one_is_free() -> None:
    fleet = world(service("chat", active=4, room=4, gpus_per_replica=8))
    run(target(fleet, active=7), 500.0)
    assert tiers(fleet) == {"active": 5}
    broken = replicas(fleet)[0].gpus[0].uuid
    fleet.fail_gpu(broken, "xid")
    run(fleet, 500.0)
    assert tiers(fleet) == {"active": 4}
    fleet.heal_gpu(broken)
    assert tiers(run(fleet, 100.0)) == {"active": 5}


def test_a_node_holds_whole_replicas() -> None:
    """Three GPUs each: two replicas a node, and two GPUs of it stay free."""
    fleet = world(service(active=0, room=10, gpus_per_replica=3))
    assert tiers(run(target(fleet, active=10), 100.0)) == {"active": 10}
    assert all(len({g.node for g in r.gpus}) == 1 for r in replicas(fleet))


def test_a_start_that_fails_is_tried_again() -> None:
    fleet = world(service(active=0, room=40), launch_failure=0.5, seed=1)
    run(target(fleet, active=20), 101.0)
    assert 0 < len(replicas(fleet, Tier.ACTIVE)) < 20
    assert tiers(run(fleet, 2000.0)) == {"active": 20}


def test_a_dead_engine_is_replaced_once_it_has_been_noticed() -> None:
    fleet = world(service(active=2))
    dead = replicas(fleet)[0]
    fleet.fail_gpu(dead.gpus[0].uuid, "ecc")
    assert dead.transition is Transition.FAILED
    assert in_rotation(fleet) == {"chat-0002"}
    run(fleet, FAILURE_SEEN_S + 99)
    assert tiers(fleet) == {"active": 1}
    run(fleet, 1)
    assert in_rotation(fleet) == {"chat-0002", "chat-0003"}
    assert dead.gpus[0].uuid not in {g.uuid for r in replicas(fleet) for g in r.gpus}


# --- by hand -----------------------------------------------------------------------------------------------------


def test_sleeping_and_waking_by_hand_lasts_and_is_measured() -> None:
    fleet = world(service(active=2))
    replica = replicas(fleet)[0]
    fleet.replicas.sleep(replica, fleet.now_s)
    assert replica.asleep
    assert tiers(run(fleet, 50.0)) == {"active": 1, "asleep": 1}
    fleet.replicas.wake(replica, fleet.now_s)
    assert replica.asleep, "until it has woken up"
    assert tiers(run(fleet, 4.0)) == {"active": 2}
    assert samples(fleet) == [(Tier.ASLEEP, 4.0)]
    fleet.replicas.wake(replica, fleet.now_s)
    assert tiers(fleet) == {"active": 2}


def test_a_busy_or_leaving_replica_cannot_be_put_to_sleep() -> None:
    fleet = world(service(active=2))
    submit_all(fleet, [(16, 32), (16, 32)])
    busy = replicas(fleet)[0]
    with pytest.raises(ValueError, match="chat-0001 has 1 requests"):
        fleet.replicas.sleep(busy, fleet.now_s)
    run(target(fleet, active=1), 1.0)
    leaving = replicas(fleet, Tier.COLD, settled=False)[0]
    fleet.replicas.fail(leaving, fleet.now_s)
    with pytest.raises(ValueError, match=leaving.name):
        fleet.replicas.sleep(leaving, fleet.now_s)


# --- pools that cannot work --------------------------------------------------------------------------------------

IMPOSSIBLE: list[tuple[dict[str, object], str]] = [
    ({"lead_times": {Tier.STANDBY: LeadTime(1, 2)}}, "lead_times has neither cold nor a slower tier; give cold"),
    ({"gpus_per_replica": 16}, "gpus_per_replica 16 does not fit a simulated node; give 1 to 8"),
    ({"max_num_seqs": 4096}, "max_num_seqs 4096 exceeds max_batched_tokens 2048"),
]


@pytest.mark.parametrize(("change", "complaint"), IMPOSSIBLE)
def test_a_pool_that_cannot_work_is_refused_before_time_begins(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        service(**change)  # type: ignore[arg-type]


def test_a_tier_without_a_lead_time_takes_that_of_the_next_slower_one() -> None:
    fleet = world(service(active=1, lead_times={Tier.COLD: POOL.lead_times[Tier.COLD]}))
    run(target(fleet, active=1, asleep=1), 100.0)
    run(target(fleet, active=2), 99.0)
    assert tiers(fleet) == {"active": 1}
    assert tiers(run(fleet, 1.0)) == {"active": 2}
