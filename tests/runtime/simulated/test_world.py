"""Requests flow through the fleet and none is lost or counted twice; GPUs are billed for what they were held."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.fleet import PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Tier, Transition
from runtime.simulated.state import DONE, REASON_LOST, REASON_STOP
from runtime.simulated.summary import summarise
from runtime.simulated.workload import SyntheticWorkload, default_services
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import (
    START_S,
    STEP_S,
    finish,
    in_engines,
    replicas,
    run,
    service,
    submit_all,
    talk,
    target,
    tiers,
    trace,
    world,
)


def held(world: World) -> int:
    return sum(len(line) for line in world.held)


def ended(world: World) -> int:
    return sum(outcome.requests for outcome in world.outcomes)


def busy(seed: int = 1, active: int = 10) -> World:
    """Three services under the built-in load, in its morning peak, with lead times that are drawn."""
    loads = default_services()
    cold = {Tier.COLD: LeadTime(60, 120)}
    fleet = [service(load.name, active, room=12, lead_times=cold) for load in loads]
    return World(fleet, SyntheticWorkload(loads, 36_000.0, seed), seed)


# --- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slept", "found"), [(False, 160 + 320), (True, 160)])
def test_a_conversation_is_cached_until_its_replica_sleeps(slept: bool, found: int) -> None:
    fleet = run(world(workload=talk(3)), 15.0)
    if slept:
        fleet.replicas.sleep(replicas(fleet)[0], fleet.now_s)
        fleet.replicas.wake(replicas(fleet)[0], fleet.now_s)
    run(fleet, 15.0)
    assert fleet.state.replicas[0]["prefix_hits_tokens"] == found


def test_a_request_is_served_step_by_step() -> None:
    """64 tokens are prefilled in one step, each of the other 31 tokens takes another."""
    fleet = finish(world(workload=trace(every_s=10.0, count=3)))
    row = summarise(fleet)[0]
    assert (row["requests"], row["attainment"], row["attainment_strict"]) == (3, 1.0, 1.0)
    assert row["ttft_s"]["p50"] == pytest.approx(STEP_S, rel=0.01)
    assert row["tpot_s"]["p99"] == pytest.approx(STEP_S, rel=0.01)
    assert fleet.now_s - START_S < 40


def test_requests_are_spread_over_the_replicas_in_rotation() -> None:
    fleet = run(world(service(active=4), workload=trace(every_s=0.01, count=40, output_tokens=1000)), 1.0)
    assert [fleet.replicas.load(r) for r in replicas(fleet)] == [10, 10, 10, 10]


def test_scaling_from_ten_to_one_under_load_loses_no_request() -> None:
    fleet = run(world(service(active=10, room=10), workload=trace(0.02, 2000, output_tokens=160)), 20.0)
    assert in_engines(fleet) > 100
    run(target(fleet, active=1), 1.0)
    assert fleet.replicas.rotation.counts[0] == 1
    outcome = finish(fleet).outcomes[0]
    assert (outcome.requests, outcome.lost, outcome.rejected) == (2000, 0, 0)
    assert outcome.output_tokens == 2000 * 160
    assert tiers(fleet) == {"active": 1}


steps = st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 2), st.floats(0, 40))


@settings(max_examples=30, deadline=None)
@given(st.lists(steps, max_size=8), st.integers(0, 99), st.integers(1, 30))
def test_every_request_is_held_in_an_engine_or_ended(
    steps: list[tuple[int, int, int, float]], seed: int, hold_s: int
) -> None:
    """Whatever the targets do meanwhile; and in the end each is served, or was turned away while nothing ran."""
    fleet = world(
        service(active=3, hold_s=float(hold_s), kv_blocks=101), workload=trace(0.1, 800, output_tokens=80), seed=seed
    )
    zero = False
    for active, standby, asleep, seconds in steps:
        zero |= active == 0
        run(target(fleet, active, standby, asleep), seconds)
        assert fleet.arrived[0] == ended(fleet) + in_engines(fleet) + held(fleet)
        assert fleet.slots.in_use == in_engines(fleet) + held(fleet)
    outcome = finish(target(fleet, active=2)).outcomes[0]
    assert (outcome.requests, outcome.lost) == (800, 0)
    assert outcome.rejected == 0 or zero
    assert outcome.output_tokens == 80 * (800 - outcome.rejected)


# --- nobody there ------------------------------------------------------------------------------------------------


def test_requests_wait_for_the_first_replica_and_their_wait_counts() -> None:
    fleet = world(service(active=0, hold_s=200.0))
    slots = submit_all(fleet, [(16, 1)] * 5)
    run(target(fleet, active=1), 99.0)
    assert held(fleet) == 5
    run(fleet, 2.0)
    assert held(fleet) == 0
    records = fleet.state.requests[slots]
    assert (records["reason"] == REASON_STOP).all()
    assert records["first_token"].tolist() == [START_S + 100 + STEP_S] * 5


def test_requests_that_waited_too_long_are_turned_away_in_their_order() -> None:
    fleet = world(service(active=0, hold_s=60.0), workload=trace(every_s=10.0, count=5))
    run(fleet, 65.0)
    assert (held(fleet), fleet.outcomes[0].rejected) == (4, 1)
    assert finish(fleet).outcomes[0].rejected == 5
    assert fleet.outcomes[0].attainment() == 0.0


def test_a_standby_wakes_for_those_who_wait() -> None:
    fleet = run(target(world(), active=1, standby=1), 101.0)
    run(target(fleet, active=0, standby=1), 2.0)
    slot = fleet.submit("chat", 16, 8)
    run(target(fleet, active=1), 1.5)
    assert fleet.state.requests[slot]["status"] == DONE
    assert fleet.state.requests[slot]["first_token"] == START_S + 103 + 0.5 + STEP_S


# --- clients -----------------------------------------------------------------------------------------------------


def test_a_client_that_leaves_frees_its_blocks_and_says_nothing() -> None:
    fleet = world()
    slot = fleet.submit("chat", 160, 10_000)
    run(fleet, 10.0)
    assert fleet.state.replicas[replicas(fleet)[0].row]["used_blocks"] > 10
    fleet.forget(slot)
    run(fleet, 1.0)
    engine = fleet.state.replicas[replicas(fleet)[0].row]
    assert (engine["used_blocks"], engine["running"], engine["aborted"]) == (0, 0, 1)
    assert (fleet.slots.in_use, fleet.outcomes[0].requests) == (0, 0)


def test_a_client_may_leave_while_it_is_held() -> None:
    fleet = world(service(active=0, hold_s=200.0))
    a, b = submit_all(fleet, [(16, 4), (16, 4)])
    fleet.forget(a)
    run(target(fleet, active=1), 101.0)
    assert held(fleet) == 0
    assert fleet.state.requests[b]["reason"] == REASON_STOP
    fleet.forget(b)
    assert fleet.slots.in_use == 0


def test_an_answer_stays_readable_until_it_is_forgotten() -> None:
    fleet = world()
    slot = fleet.submit("chat", 16, 4)
    run(fleet, 60.0)
    assert fleet.state.requests[slot]["generated"] == 4
    assert fleet.slots.in_use == 1
    fleet.forget(slot)
    assert fleet.slots.in_use == 0


def test_a_client_may_name_a_replica_and_must_name_a_service() -> None:
    fleet = world(service(active=3))
    for _ in range(3):
        fleet.submit("chat", 16, 100, "chat-0002")
    assert [fleet.replicas.load(r) for r in replicas(fleet)] == [0, 3, 0]
    with pytest.raises(KeyError):
        fleet.submit("nobody", 16, 4)
    with pytest.raises(KeyError):
        fleet.submit("chat", 16, 4, "chat-9999")


def test_a_prompt_that_fits_nowhere_is_rejected_at_once() -> None:
    fleet = world(service(kv_blocks=11))
    fleet.forget(fleet.submit("chat", 160, 4))
    assert (fleet.outcomes[0].requests, fleet.outcomes[0].rejected, fleet.slots.in_use) == (1, 1, 0)


# --- faults ------------------------------------------------------------------------------------------------------


def test_requests_on_a_dead_engine_are_lost_and_counted_as_misses() -> None:
    fleet = run(world(service(active=2), workload=trace(0.5, 100, output_tokens=320)), 20.0)
    dead = replicas(fleet)[0]
    on_it = fleet.replicas.load(dead)
    fleet.fail_gpu(dead.gpus[1].uuid, "xid", 79)
    assert fleet.outcomes[0].lost == on_it > 10
    assert fleet.arrived[0] == ended(fleet) + in_engines(fleet)
    outcome = finish(fleet).outcomes[0]
    assert (outcome.requests, outcome.lost) == (100, on_it)
    assert outcome.attained == 100 - on_it
    assert tiers(run(fleet, 200.0)) == {"active": 2}


def test_a_watched_request_learns_that_it_was_lost() -> None:
    fleet = world()
    slot = fleet.submit("chat", 16, 400)
    run(fleet, 1.0)
    fleet.fail_gpu(replicas(fleet)[0].gpus[0].uuid, "ecc")
    assert (fleet.state.requests[slot]["status"], fleet.state.requests[slot]["reason"]) == (DONE, REASON_LOST)
    fleet.forget(slot)
    assert fleet.slots.in_use == 0


def test_a_harmless_fault_kills_nobody() -> None:
    fleet = world()
    gpus = replicas(fleet)[0].gpus
    fleet.fail_gpu(gpus[0].uuid, "heat")
    fleet.fail_gpu(gpus[1].uuid, "xid", 13)
    assert (gpus[0].temperature_celsius, gpus[1].xid) == (96.0, 13)
    assert tiers(run(fleet, 20.0)) == {"active": 1}
    with pytest.raises(KeyError):
        fleet.fail_gpu("GPU-none", "xid")


def test_double_bit_errors_are_counted_and_outlive_the_repair() -> None:
    fleet = world()
    gpu = replicas(fleet)[0].gpus[0]
    fleet.fail_gpu(gpu.uuid, "ecc")
    fleet.heal_gpu(gpu.uuid)
    assert (gpu.ecc_double_bit, gpu.xid, gpu.fault) == (1, 48, None)


actions = st.sampled_from(["ask", "ask", "ask one", "leave", "break", "mend", "aim", "sleep", "wake", "wait", "wait"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(actions, st.integers(0, 2**16)), min_size=5, max_size=60))
def test_whatever_happens_every_slot_and_every_block_returns(steps: list[tuple[str, int]]) -> None:
    """Clients come and leave, GPUs break, replicas sleep, targets change; nothing is lost sight of."""
    fleet, out = world(service(active=2, hold_s=20.0, kv_blocks=51)), list[int]()
    for action, n in steps:
        act(fleet, out, action, n)
        done = sum(int(fleet.state.requests[slot]["status"]) == DONE for slot in out)
        assert fleet.slots.in_use == in_engines(fleet) + held(fleet) + done
    for slot in out:
        fleet.forget(slot)
    for gpu in fleet.replicas.inventories[0].gpus:
        fleet.heal_gpu(gpu.uuid)
    run(target(fleet, active=3, standby=1, asleep=1), 300.0)
    assert tiers(fleet) == {"active": 3, "standby": 1, "asleep": 1}
    assert (fleet.slots.in_use, held(fleet)) == (0, 0)
    engines = fleet.state.replicas[fleet.replicas.rows()]
    assert not (engines["used_blocks"].any() or engines["running"].any() or engines["kv_tokens"].any())


def act(fleet: World, out: list[int], action: str, n: int) -> None:
    """Do one thing to the fleet; ``out`` are the requests of clients that are still there."""
    there = [r for r in replicas(fleet, settled=False) if r.has_process]
    if action == "ask":
        out.append(fleet.submit("chat", 1 + n % 900, 1 + n % 77))
    elif action == "ask one" and there and not there[n % len(there)].asleep:
        out.append(fleet.submit("chat", 1 + n % 900, 1 + n % 77, there[n % len(there)].name))
    elif action == "leave" and out:
        fleet.forget(out.pop(n % len(out)))
    elif action in ("break", "mend"):
        gpus = fleet.replicas.inventories[0].gpus
        uuid = gpus[n % 8].uuid
        fleet.fail_gpu(uuid, "ecc") if action == "break" else fleet.heal_gpu(uuid)
    elif action == "aim":
        target(fleet, n % 4, n // 4 % 3, n // 12 % 3, n // 36 % 2)
    elif action == "sleep" and there:
        with contextlib.suppress(ValueError):
            fleet.replicas.sleep(there[n % len(there)], fleet.now_s)
    elif action == "wake" and there:
        fleet.replicas.wake(there[n % len(there)], fleet.now_s)
    elif action == "wait":
        run(fleet, n % 100 / 4)


# --- what it costs -----------------------------------------------------------------------------------------------


def test_gpus_are_billed_from_the_moment_they_are_held() -> None:
    """One replica of two GPUs for 700 s, and a second one from 100 s on, which serves from 200 s on."""
    fleet = run(world(), 100.0)
    run(target(fleet, active=2), 600.0)
    account = fleet.accounts[0]
    assert account.gpu_s == pytest.approx(2 * 700 + 2 * 600)
    assert account.active_s == pytest.approx(700 + 500)
    assert account.cost_usd == pytest.approx((2 * 700 + 2 * 600) / 3600 * 3.0)
    assert (account.scale_ups, account.scale_downs) == (1, 0)


def test_a_spare_costs_its_share_once_it_has_arrived() -> None:
    """Asleep at a quarter of the price after a launch of 100 s at the full one."""
    fleet = run(target(world(service(active=0)), active=0, asleep=1), 500.0)
    account = fleet.accounts[0]
    assert account.gpu_s == account.spare_gpu_s == pytest.approx(1000)
    assert account.cost_usd == pytest.approx((100 + 0.25 * 400) * 2 / 3600 * 3.0)


def test_gpu_hours_are_the_integral_of_the_gpus_held() -> None:
    fleet = busy(active=6)
    integral, step_s = 0.0, 0.25
    for i in range(2000):
        if i % 400 == 0:
            for of in range(3):
                target(fleet, active=int(3 + (i // 400 + of) % 5), standby=i // 800, service=of)
        integral += step_s * sum(g.replica is not None for n in fleet.replicas.inventories for g in n.gpus)
        run(fleet, step_s)
    assert sum(a.gpu_s for a in fleet.accounts) == pytest.approx(integral)


# --- the same again ----------------------------------------------------------------------------------------------


def scaled(fleet: World, slice_s: float) -> World:
    """Ten minutes with a change of targets every two, in slices of so many seconds."""
    start_s = fleet.now_s
    for minute, active in ((0, 6), (2, 9), (4, 4), (6, 0), (7, 8)):
        while fleet.now_s < start_s + 60 * minute:
            fleet.run_until(min(start_s + 60 * minute, fleet.now_s + slice_s))
        for of in range(3):
            target(fleet, active, service=of)
    fleet.run_until(start_s + 600)
    return fleet


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    first, again, other = (summarise(scaled(busy(seed), 10.0)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_fleet_that_does_not_move_is_the_same_in_any_slices() -> None:
    """To a nanosecond a request: only the rounding of sums depends on where time was cut."""
    runs = []
    for slice_s in (300.0, 7.0, 0.13):
        fleet = busy()
        while fleet.now_s < 36_300.0:
            fleet.run_until(min(36_300.0, fleet.now_s + slice_s))
        runs.append(fleet)
    for cut in runs[1:]:
        for one, same in zip(cut.outcomes, runs[0].outcomes, strict=True):
            assert (one.requests, one.attained, one.output_tokens) == (same.requests, same.attained, same.output_tokens)
            assert np.abs(one.ttft - same.ttft).sum() <= 2


def test_a_fleet_that_moves_is_nearly_the_same_in_any_slices() -> None:
    """Drains end at the first look after their last request, so up to a second earlier or later."""
    whole, cut = scaled(busy(), 120.0), scaled(busy(), 0.3)
    assert whole.arrived == cut.arrived
    for a, b in zip(summarise(whole), summarise(cut), strict=True):
        assert a["requests"] == pytest.approx(b["requests"], rel=0.01)
        assert a["attainment"] == pytest.approx(b["attainment"], abs=0.01)
        assert a["gpu_hours"] == pytest.approx(b["gpu_hours"], rel=0.005)


# --- what others see ---------------------------------------------------------------------------------------------


def test_the_view_is_what_a_fleet_reports() -> None:
    seen = world(service(active=1)).view("http://fleet")[0]
    assert dataclasses.asdict(seen) == {
        "name": "chat-0001",
        "service": "chat",
        "pool": "chat-pool",
        "tier": Tier.ACTIVE,
        "transition": None,
        "since_s": START_S,
        "base_url": "http://fleet/replicas/chat-0001",
        "node": "chat-pool-node-000",
        "gpus": ("GPU-chat-pool-000-0", "GPU-chat-pool-000-1"),
    }


def test_a_world_is_finished_once_its_trace_has_ended_and_all_is_served() -> None:
    fleet = run(world(workload=trace(every_s=1.0, count=10, output_tokens=160)), 9.5)
    assert not fleet.finished
    run(fleet, 1.0)
    assert in_engines(fleet) > 0 and not fleet.finished
    assert run(fleet, 20.0).finished


def test_what_is_sold_out_does_not_come_until_it_is_back_and_what_serves_stays() -> None:
    fleet = world(service(active=2))
    fleet.sell_out("chat-pool")
    run(target(fleet, active=4), 400.0)
    assert tiers(fleet) == {"active": 2}
    fleet.sell_out("chat-pool", False)
    run(fleet, 101.0)
    assert tiers(fleet) == {"active": 4}
    with pytest.raises(KeyError):
        fleet.sell_out("nobody's")


def test_a_warm_node_has_its_gpus_and_starts_though_sold_out() -> None:
    fleet = run(target(world(service(active=1)), active=1, warm_node=1), 1.0)
    fleet.sell_out("chat-pool")
    run(target(fleet, active=2), 31.0)
    assert tiers(fleet) == {"active": 2}


def test_no_scale_in_aborts_or_loses_a_request() -> None:
    fleet = run(world(service(active=4), workload=trace(0.05, 400, output_tokens=64)), 10.0)
    finish(target(fleet, active=1))
    assert tiers(fleet) == {"active": 1}
    assert fleet.state.replicas["aborted"].sum() == 0
    assert (ended(fleet), fleet.outcomes[0].rejected, fleet.outcomes[0].lost) == (400, 0, 0)


def test_a_replica_to_be_avoided_finishes_its_requests_and_is_replaced() -> None:
    fleet = run(world(service(active=2), workload=trace(0.1, 200, output_tokens=64)), 5.0)
    sick = replicas(fleet)[0].name
    fleet.set_targets([PoolTarget("chat", "chat-pool", 2, avoid=(sick,))])
    assert fleet.replicas.by_name[sick].transition is Transition.DRAINING
    run(fleet, 110.0)
    assert sick not in fleet.replicas.by_name and tiers(fleet) == {"active": 2}
    assert fleet.state.replicas["aborted"].sum() == 0
