"""The GPUs of a simulated fleet: which replica holds which, what DCGM would say of them, and how they fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.pool import Pool

GPUS_PER_NODE = 8

FATAL_XIDS = frozenset({46, 48, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158})
"""XIDs after which the GPU must be reset or its node rebooted, so that the engine on it is lost."""


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """What a GPU type is: marketing name, memory in MiB, idle and full power in watts."""

    model: str
    memory_mib: int
    idle_watts: float
    full_watts: float


SPECS = {
    "H100-SXM": GpuSpec("NVIDIA H100 80GB HBM3", 81559, 70.0, 700.0),
    "H200-SXM": GpuSpec("NVIDIA H200", 143771, 75.0, 700.0),
    "A100-SXM-80GB": GpuSpec("NVIDIA A100-SXM4-80GB", 81920, 60.0, 400.0),
    "L40S": GpuSpec("NVIDIA L40S", 46068, 35.0, 350.0),
    "L4": GpuSpec("NVIDIA L4", 23034, 16.0, 72.0),
}
SPECS |= {"H100": SPECS["H100-SXM"], "H200": SPECS["H200-SXM"], "A100": SPECS["A100-SXM-80GB"]}
UNKNOWN = GpuSpec("NVIDIA GPU", 81920, 60.0, 400.0)


@dataclass(slots=True)
class Gpu:
    """One GPU and the figures that dcgm-exporter reports of it."""

    uuid: str
    node: str
    index: int
    spec: GpuSpec
    replica: str | None = None
    fault: str | None = None
    xid: int = 0
    ecc_double_bit: int = 0
    busy_ratio: float = 0.0
    prefill_ratio: float = 0.0
    memory_ratio: float = 0.0
    energy_joules: float = 0.0

    @property
    def power_watts(self) -> float:
        """Idle power, and the share of the rest that prefill (compute) and decode (memory) draw."""
        decode = self.busy_ratio - self.prefill_ratio
        active = min(1.0, 0.95 * self.prefill_ratio + 0.6 * decode)
        return self.spec.idle_watts + (self.spec.full_watts - self.spec.idle_watts) * active

    @property
    def temperature_celsius(self) -> float:
        """30 °C at idle to 75 at full power, 96 while overheated."""
        if self.fault == "heat":
            return 96.0
        return 30.0 + 45.0 * self.power_watts / self.spec.full_watts

    def accrue(self, elapsed_s: float, busy_s: float, prefill_s: float) -> None:
        """Take in how long its replica computed during the last ``elapsed_s``, s."""
        if elapsed_s <= 0:
            return
        self.busy_ratio = min(1.0, max(0.0, busy_s / elapsed_s))
        self.prefill_ratio = min(self.busy_ratio, max(0.0, prefill_s / elapsed_s))
        self.energy_joules += self.power_watts * elapsed_s


@dataclass(slots=True)
class Inventory:
    """All GPUs of one pool's nodes, ``nodes`` of them with ``GPUS_PER_NODE`` each."""

    pool: Pool
    nodes: int
    gpus: list[Gpu] = field(init=False)

    def __post_init__(self) -> None:
        spec = SPECS.get(self.pool.gpu, UNKNOWN)
        self.gpus = [
            Gpu(f"GPU-{self.pool.name}-{n:03d}-{i}", f"{self.pool.name}-node-{n:03d}", i, spec)
            for n in range(self.nodes)
            for i in range(GPUS_PER_NODE)
        ]

    def take(self, replica: str, node: str | None = None) -> list[Gpu]:
        """Give a replica its GPUs, all on one node: ``node`` if it has room, else the fullest that has.

        An empty list if none has.
        """
        return place(self.gpus, replica, self.pool.gpus_per_replica, node)

    def release(self, replica: str) -> None:
        """The replica is gone; its GPUs are idle again."""
        vacate(self.gpus, replica)


def place(gpus: Iterable[Gpu], replica: str, need: int, node: str | None = None) -> list[Gpu]:
    """Give a replica ``need`` of these GPUs, as ``Inventory.take`` does."""
    by_node: dict[str, list[Gpu]] = {}
    for gpu in gpus:
        if gpu.replica is None and gpu.fault is None:
            by_node.setdefault(gpu.node, []).append(gpu)
    fitting = {name: free for name, free in by_node.items() if len(free) >= need}
    if not fitting:
        return []
    chosen = fitting.get(node or "", min(fitting.values(), key=len))[:need]
    for gpu in chosen:
        gpu.replica = replica
    return chosen


def vacate(gpus: Iterable[Gpu], replica: str) -> None:
    """What that replica has of these GPUs is idle again."""
    for gpu in gpus:
        if gpu.replica == replica:
            gpu.replica = None
            gpu.busy_ratio = gpu.prefill_ratio = gpu.memory_ratio = 0.0
