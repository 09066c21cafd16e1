"""What a GPU's XID says must be done with it, and what its GPUs are doing.

XID classes: NVIDIA's catalogue for A100 and later, with the Kubernetes device plugin's list of application
errors. The XID gauge keeps its last value until the next one, so errors of an application, which leave the
GPU whole, must not count it as faulty. An XID that no list names is taken for a fault, as the device plugin
does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from collectors.observation import GpuSample, GpuUse


class XidAction(StrEnum):
    """What an XID asks for, mildest first."""

    NONE = "none"
    RESTART_ENGINE = "restart_engine"
    DRAIN_AND_RESET = "drain_and_reset"
    DRAIN_DOMAIN = "drain_nvlink_domain"
    REBOOT_NODE = "reboot_node"
    INSPECT = "inspect"


_CLASSES = {
    XidAction.NONE: (0, 43, 44, 63, 66, 67, 92, 121, 137),
    XidAction.RESTART_ENGINE: (13, 31, 32, 45, 68, 69, 94),
    XidAction.DRAIN_AND_RESET: (
        46,
        48,
        62,
        64,
        95,
        109,
        110,
        119,
        120,
        136,
        140,
        143,
        155,
        156,
        158,
        171,
        172,
    ),
    XidAction.DRAIN_DOMAIN: (74, *range(144, 151)),
    XidAction.REBOOT_NODE: (54, 79, 151),
}
_ACTIONS = {xid: action for action, xids in _CLASSES.items() for xid in xids}

BUSY_RATIO = 0.02
"""Activity above this share of the time is work: an idle engine's housekeeping stays below it."""

HELD_RATIO = 0.05
"""Memory in use above this share is a model that is resident; drivers alone take less."""


def xid_action(xid: int) -> XidAction:
    """What the last XID of a GPU asks for; ``INSPECT`` for one that no list names (and 154, which says it
    in text).
    """
    return _ACTIONS.get(xid, XidAction.INSPECT)


def faulty(gpu: GpuSample) -> bool:
    """Whether work must leave this GPU: a fault that a restart of the engine does not mend."""
    broken = gpu.xid is not None and xid_action(gpu.xid) not in (XidAction.NONE, XidAction.RESTART_ENGINE)
    return broken or bool(gpu.ecc_double_bit)


def gpu_use(gpus: Sequence[GpuSample], held: Collection[str] = ()) -> GpuUse:
    """Count GPUs by use, each once: faulty, else busy, else held, else idle. MIG slices count as their GPU.

    ``held`` are the UUIDs that some replica occupies, for exporters that do not tell memory. A GPU that is
    held and whose activity nobody tells counts as busy: nobody may reclaim it on missing data.
    """
    states = ("faulty", "busy", "idle_held", "idle")
    state: dict[str, int] = {}
    for gpu in gpus:
        state[gpu.uuid] = min(_state(gpu, gpu.uuid in held), state.get(gpu.uuid, len(states)))
    return GpuUse(**{name: sum(1 for s in state.values() if s == i) for i, name in enumerate(states)})


def _state(gpu: GpuSample, held: bool) -> int:
    if faulty(gpu):
        return 0
    # DRAM and SM activity say more than utilisation, but any of them is proof of work.
    ratios = (gpu.dram_active_ratio, gpu.sm_active_ratio, gpu.tensor_active_ratio, gpu.util_ratio)
    told = [ratio for ratio in ratios if ratio is not None]
    occupied = held or _memory_ratio(gpu) > HELD_RATIO
    if any(ratio > BUSY_RATIO for ratio in told) or (occupied and not told):
        return 1
    return 2 if occupied else 3


def _memory_ratio(gpu: GpuSample) -> float:
    if gpu.memory_used_bytes is None or gpu.memory_free_bytes is None:
        return 0.0
    size = gpu.memory_used_bytes + gpu.memory_free_bytes
    return gpu.memory_used_bytes / size if size else 0.0
