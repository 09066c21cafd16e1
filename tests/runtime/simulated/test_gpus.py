"""GPUs: one replica each, whole replicas on one node, and figures as DCGM would give them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.gpus import GPUS_PER_NODE, SPECS, UNKNOWN, Gpu, Inventory
from tests.runtime.simulated.fleets import POOL


def inventory(nodes: int = 2, per_replica: int = 2, gpu: str = "H100-SXM") -> Inventory:
    return Inventory(replace(POOL, gpus_per_replica=per_replica, gpu=gpu), nodes)


def gpu() -> Gpu:
    return inventory().gpus[0]


def test_a_replica_gets_its_gpus_on_one_node_and_gives_them_back() -> None:
    room = inventory(nodes=1)
    taken = room.take("a")
    assert [g.replica for g in taken] == ["a", "a"]
    assert len({g.node for g in taken}) == 1
    room.release("a")
    assert all(g.replica is None for g in room.gpus)


def test_nothing_is_given_where_no_node_has_room() -> None:
    room = inventory(nodes=2, per_replica=5)
    assert room.take("a") and room.take("b")
    assert room.take("c") == []


def test_the_fullest_node_is_filled_first_unless_one_is_named() -> None:
    room = inventory()
    node = room.take("a")[0].node
    other = next(g.node for g in room.gpus if g.node != node)
    assert {g.node for g in room.take("b")} == {node}
    assert {g.node for g in room.take("c", other)} == {other}


def test_broken_gpus_are_left_out() -> None:
    room = inventory(nodes=1)
    for broken in room.gpus[: GPUS_PER_NODE - 2]:
        broken.fault = "ecc"
    assert room.take("a") == room.gpus[-2:]
    assert room.take("b") == []


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, GPUS_PER_NODE))
def test_no_gpu_serves_two_replicas(steps: list[int], per_replica: int) -> None:
    """Every step takes for a replica that has none, or gives back where it has."""
    room, held = inventory(3, per_replica), dict[int, list[Gpu]]()
    for replica in steps:
        if replica in held:
            room.release(str(replica))
            del held[replica]
        elif taken := room.take(str(replica)):
            held[replica] = taken
        uuids = [g.uuid for gpus in held.values() for g in gpus]
        assert len(uuids) == len(set(uuids)) == per_replica * len(held)
        assert sum(g.replica is not None for g in room.gpus) == len(uuids)


def test_idle_and_full_power() -> None:
    one = gpu()
    assert (one.power_watts, one.temperature_celsius) == (70.0, 34.5)
    one.accrue(10.0, busy_s=10.0, prefill_s=10.0)
    assert one.power_watts == pytest.approx(70 + 0.95 * 630)
    assert one.temperature_celsius < 80


def test_energy_is_power_over_time() -> None:
    one = gpu()
    one.accrue(10.0, busy_s=5.0, prefill_s=0.0)
    assert one.busy_ratio == 0.5
    assert one.energy_joules == pytest.approx(10 * (70 + 0.6 * 0.5 * 630))
    one.accrue(0.0, 0.0, 0.0)
    assert one.busy_ratio == 0.5


def test_an_overheated_gpu_is_hot() -> None:
    one = gpu()
    one.fault = "heat"
    assert one.temperature_celsius == 96.0


@given(st.floats(0.1, 100), st.floats(-10, 200), st.floats(-10, 200))
def test_shares_and_power_stay_within_their_bounds(elapsed_s: float, busy_s: float, prefill_s: float) -> None:
    one = gpu()
    one.accrue(elapsed_s, busy_s, prefill_s)
    assert 0 <= one.prefill_ratio <= one.busy_ratio <= 1
    assert one.spec.idle_watts <= one.power_watts <= one.spec.full_watts


def test_a_released_gpu_is_idle() -> None:
    room = inventory(nodes=1)
    one = room.take("a")[0]
    one.accrue(1.0, 1.0, 0.5)
    room.release("a")
    assert (one.busy_ratio, one.prefill_ratio, one.memory_ratio) == (0.0, 0.0, 0.0)


def test_an_unknown_type_has_plausible_figures() -> None:
    assert inventory(gpu="H100-SXM").gpus[0].spec is SPECS["H100-SXM"]
    assert inventory(gpu="something else").gpus[0].spec is UNKNOWN
