"""A replica is as healthy as the worst of its GPUs; faults count from when they appear; few leave at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.safety import health as module
from autoscaler.safety.health import APP_ERRORS, HOT_FOR_S, Health, Sick, leaving, spoken, vitals
from collectors.observation import GpuSample
from runtime.replica import Replica, Tier, Transition


def replica(name: str = "chat-1", gpus: tuple[str, ...] = ("g0", "g1"), **changes: object) -> Replica:
    base = Replica(name, "chat", "h100", Tier.ACTIVE, None, 0.0, "http://e", "node-0", gpus)
    return replace(base, **changes)  # type: ignore[arg-type]


def gpu(uuid: str = "g1", **changes: object) -> GpuSample:
    return replace(GpuSample(uuid, "node-0", 0.0, temperature_celsius=60.0, xid=0), **changes)  # type: ignore[arg-type]


def examine(before: Health, replicas: list[Replica], gpus: list[GpuSample], now_s: float) -> Health:
    return module.examine(before, replicas, vitals(gpus), now_s)


def looked(*looks: tuple[float, list[GpuSample]], replicas: list[Replica] | None = None) -> Health:
    health = examine(Health(), [], [], 0.0)
    for now_s, gpus in looks:
        health = examine(health, replicas if replicas is not None else [replica()], gpus, now_s)
    return health


@pytest.mark.parametrize("xid", [46, 48, 62, 74, 79, 95, 119, 145, 171, 154, 999])
def test_one_bad_gpu_makes_its_replica_sick_at_once(xid: int) -> None:
    (sick,) = looked((15.0, [gpu("g0"), gpu(xid=xid)])).sick
    assert (sick.replica, sick.gpu, sick.urgent, sick.counted) == ("chat-1", "g1", True, True)
    assert f"XID {xid}" in sick.reason


@pytest.mark.parametrize("xid", [0, 13, 31, 43, 45, 63, 92, 94])
def test_an_engines_own_errors_do_not(xid: int) -> None:
    assert looked((15.0, [gpu(xid=xid)])).sick == ()


def test_ecc_and_a_failed_row_remap_do() -> None:
    assert "ECC" in looked((15.0, [gpu(ecc_double_bit=1.0)])).sick[0].reason
    assert "row remap" in looked((15.0, [gpu(row_remap_failed=1.0)])).sick[0].reason


def test_engine_errors_that_repeat_wear_a_gpu_out_until_an_hour_has_passed() -> None:
    errors = [(60.0 * i, [gpu(xid=(13, 31)[i % 2])]) for i in range(APP_ERRORS)]
    worn = looked(*errors)
    assert [sick.urgent for sick in worn.sick] == [False]
    assert examine(worn, [replica()], [gpu(xid=13)], 4000.0).sick == ()


def test_heat_counts_when_it_lasts_and_is_forgiven() -> None:
    hot = [gpu(temperature_celsius=96.0)]
    assert looked((0.0, hot), (HOT_FOR_S - 1, hot)).sick == ()
    lasting = looked((0.0, hot), (HOT_FOR_S, hot))
    assert [sick.urgent for sick in lasting.sick] == [False]
    still = examine(lasting, [replica()], [gpu(temperature_celsius=87.0)], 200.0)
    assert len(still.sick) == 1
    assert examine(still, [replica()], [gpu(temperature_celsius=80.0)], 230.0).sick == ()


def test_what_stood_there_at_the_first_look_is_the_past() -> None:
    assert examine(Health(), [replica()], [gpu(xid=79, ecc_double_bit=2.0)], 15.0).sick == ()


def test_a_replica_that_came_after_the_fault_is_not_punished_for_it() -> None:
    broken = looked((15.0, [gpu(xid=79)]))
    later = replica("chat-2", since_s=300.0)
    assert examine(broken, [later], [gpu(xid=79)], 315.0).sick == ()
    assert len(examine(broken, [later], [gpu(xid=48)], 315.0).sick) == 1


def test_an_urgent_diagnosis_stays_while_the_replica_is_there_even_unseen() -> None:
    broken = looked((15.0, [gpu(xid=79)]))
    draining = replica(tier=Tier.COLD, transition=Transition.DRAINING, since_s=20.0)
    (sick,) = examine(broken, [draining], [], 30.0).sick
    assert sick.draining and not sick.counted and sick.since_s == 15.0
    assert examine(broken, [], [], 30.0).sick == ()


def test_an_nvlink_fault_takes_every_large_replica_of_the_node() -> None:
    fleet = [
        replica("a", ("g0", "g1")),
        replica("b", ("g2", "g3")),
        replica("c", ("g4",)),
        replica("d", ("g5", "g6"), node="n1"),
    ]
    sick = looked((15.0, [gpu(xid=74)]), replicas=fleet).sick
    assert [s.replica for s in sick] == ["a", "b"]


def patient(name: str, urgent: bool = True, since_s: float = 0.0, draining: bool = False) -> Sick:
    return Sick(name, "g", "XID 79", since_s, urgent, draining=draining)


def test_few_leave_at_once_the_oldest_first_and_the_worn_out_after_their_replacement() -> None:
    many = [patient(f"r{i}", since_s=float(9 - i)) for i in range(6)]
    assert leaving(many, 3, 9) == ("r3", "r4", "r5")
    worn = [patient("w", urgent=False)]
    assert leaving(worn, 3, 4) == ()
    assert leaving(worn, 4, 4) == ("w",)


@given(
    st.lists(st.builds(patient, st.uuids().map(str), st.booleans(), st.floats(0, 9)), max_size=12), st.integers(0, 12)
)
def test_never_more_than_a_third_of_the_rotation_leaves_for_urgent_faults(sick: list[Sick], healthy: int) -> None:
    gone = leaving(sick, healthy, wanted=99)
    assert len(gone) <= max(1, (healthy + len(sick)) / 3)


def test_the_sick_are_named() -> None:
    assert spoken([patient("chat-3")], 120.0) == "sick, and to be replaced: chat-3 (XID 79, for 2 min)"
