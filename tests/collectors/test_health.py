"""XID classes and the three states of a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.health import XidAction, faulty, gpu_use, xid_action
from collectors.observation import GpuSample, GpuUse


def gpu(uuid: str = "GPU-1", **known: Any) -> GpuSample:
    return GpuSample(uuid, "node", 0.0, **known)


BUSY = {"dram_active_ratio": 0.4}
IDLE = {"dram_active_ratio": 0.0, "util_ratio": 0.0}
LOADED = {"memory_used_bytes": 70e9, "memory_free_bytes": 10e9}
EMPTY = {"memory_used_bytes": 0.5e9, "memory_free_bytes": 79.5e9}


@pytest.mark.parametrize(
    ("xid", "action"),
    [
        (0, XidAction.NONE),
        (63, XidAction.NONE),
        (31, XidAction.RESTART_ENGINE),
        (94, XidAction.RESTART_ENGINE),
        (48, XidAction.DRAIN_AND_RESET),
        (119, XidAction.DRAIN_AND_RESET),
        (74, XidAction.DRAIN_DOMAIN),
        (145, XidAction.DRAIN_DOMAIN),
        (79, XidAction.REBOOT_NODE),
        (154, XidAction.INSPECT),
        (9999, XidAction.INSPECT),
    ],
)
def test_what_an_xid_asks_for(xid: int, action: XidAction) -> None:
    assert xid_action(xid) is action


@pytest.mark.parametrize(("xid", "expected"), [(None, False), (0, False), (13, False), (79, True), (9999, True)])
def test_an_applications_error_leaves_the_gpu_whole(xid: int | None, expected: bool) -> None:
    assert faulty(gpu(xid=xid)) is expected


def test_a_double_bit_error_is_a_fault() -> None:
    assert faulty(gpu(ecc_double_bit=1.0))


@pytest.mark.parametrize(
    ("known", "use"),
    [
        (BUSY | LOADED, GpuUse(1, 0, 0)),
        ({"util_ratio": 0.5}, GpuUse(1, 0, 0)),
        (IDLE | LOADED, GpuUse(0, 1, 0)),
        (IDLE | EMPTY, GpuUse(0, 0, 1)),
        (IDLE, GpuUse(0, 0, 1)),
        (BUSY | {"xid": 79}, GpuUse(0, 0, 0, 1)),
        (LOADED, GpuUse(1, 0, 0)),
    ],
    ids=["busy", "by utilisation", "held", "idle", "memory unknown", "faulty", "activity unknown"],
)
def test_use(known: dict[str, Any], use: GpuUse) -> None:
    assert gpu_use([gpu(**known)]) == use


def test_a_replica_holds_its_gpu_even_if_nobody_tells_memory() -> None:
    assert gpu_use([gpu(**IDLE)], held={"GPU-1"}) == GpuUse(0, 1, 0)


def test_slices_count_as_their_gpu() -> None:
    slices = [gpu(mig="1", **IDLE), gpu(mig="2", **BUSY)]
    assert gpu_use(slices) == GpuUse(1, 0, 0)


def test_every_gpu_counts_once() -> None:
    assert gpu_use([gpu(f"GPU-{n}", **(BUSY if n % 2 else IDLE)) for n in range(6)]) == GpuUse(3, 0, 3)
