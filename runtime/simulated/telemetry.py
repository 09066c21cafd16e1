"""What the GPUs of a world do, brought up to date only when somebody looks."""

from __future__ import annotations

from collections import defaultdict

from runtime.replica import Tier, Transition
from runtime.simulated.gpus import Gpu
from runtime.simulated.replicas import SimulatedReplica
from runtime.simulated.world import World

REFRESH_S = 1.0
"""dcgm-exporter collects at intervals; a faster look reads the same figures, virtual seconds."""

AWAKE_MEMORY_RATIO = 0.92
LOADING_MEMORY_RATIO = 0.5
ASLEEP_MEMORY_RATIO = 0.02


class Telemetry:
    """Turns what engines computed into the activity, memory and energy of their GPUs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read_s = world.now_s
        self._seen: dict[str, tuple[float, float]] = {}

    def nodes(self) -> dict[str, list[Gpu]]:
        """All GPUs by node, at most ``REFRESH_S`` old."""
        elapsed_s = self._world.now_s - self._read_s
        if elapsed_s >= REFRESH_S:
            self._refresh(elapsed_s)
        nodes: dict[str, list[Gpu]] = defaultdict(list)
        for inventory in self._world.replicas.inventories:
            for gpu in inventory.gpus:
                nodes[gpu.node].append(gpu)
        return nodes

    def _refresh(self, elapsed_s: float) -> None:
        self._read_s = self._world.now_s
        work: dict[str, tuple[float, float]] = {}
        for name, replica in self._world.replicas.by_name.items():
            engine = self._world.state.replicas[replica.row]
            total = (float(engine["busy_s"]), float(engine["prefill_s"]))
            before = self._seen.get(name, (0.0, 0.0))
            work[name] = (total[0] - before[0], total[1] - before[1])
            self._seen[name] = total
        for name in self._seen.keys() - self._world.replicas.by_name.keys():
            del self._seen[name]
        for inventory in self._world.replicas.inventories:
            for gpu in inventory.gpus:
                busy_s, prefill_s = work.get(gpu.replica or "", (0.0, 0.0))
                gpu.accrue(elapsed_s, busy_s, prefill_s)
                holder = self._world.replicas.by_name.get(gpu.replica or "")
                gpu.memory_ratio = _memory_ratio(holder) if holder else 0.0


def _memory_ratio(replica: SimulatedReplica) -> float:
    if replica.tier is Tier.WARM_NODE:
        return 0.0
    if replica.transition is Transition.LAUNCHING:
        return LOADING_MEMORY_RATIO
    if replica.tier is Tier.ASLEEP and replica.transition is None:
        return ASLEEP_MEMORY_RATIO
    return AWAKE_MEMORY_RATIO
