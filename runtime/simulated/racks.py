"""The GPUs of a simulated rack: which are held, by whom they are used, which are on their way or on their way out.

What is held is either used by a replica or lent out, at every moment; nothing here takes a GPU away from a replica.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from runtime.fleet import RackView
from runtime.pool import Pool
from runtime.rack import Rack
from runtime.simulated.gpus import SPECS, UNKNOWN, Gpu, place, vacate


@dataclass(slots=True)
class Order:
    """GPUs asked for together, which arrive together."""

    gpus: int
    ready_at_s: float


@dataclass(slots=True)
class SimulatedRack:
    """A rack and its account: GPU-seconds held = used (by replicas, while they wake, serve, drain, fall asleep) + lent.

    ``gpus`` are those held now, ``wanted`` how many should be: where fewer, what becomes idle is given back.
    """

    rack: Rack
    gpus: list[Gpu] = field(init=False)
    wanted: int = field(init=False)
    orders: list[Order] = field(default_factory=list)
    held_gpu_s: float = 0.0
    used_gpu_s: float = 0.0
    lent_gpu_s: float = 0.0
    idle_cost_usd: float = 0.0
    _places: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.gpus, self.wanted, self._places = [], self.rack.gpus, set(range(self.rack.max_gpus))
        self._receive(self.rack.gpus)

    @property
    def held(self) -> int:
        """GPUs it has now."""
        return len(self.gpus)

    @property
    def ordered(self) -> int:
        """GPUs on their way."""
        return sum(order.gpus for order in self.orders)

    @property
    def used(self) -> int:
        """GPUs that a replica has now."""
        return sum(gpu.replica is not None for gpu in self.gpus)

    def view(self) -> RackView:
        """As a fleet reports it."""
        return RackView(self.rack.name, self.wanted, self.held, self.ordered, self.used)

    def check(self, pool: Pool) -> None:
        """Raises ValueError, one line, for a pool that cannot sleep here."""
        rack, per_replica = self.rack, pool.gpus_per_replica
        if (pool.gpu, pool.price_usd_per_gpu_hour) != (rack.gpu, rack.price_usd_per_gpu_hour):
            raise ValueError(
                f"pool {pool.name}: {pool.gpu} at {pool.price_usd_per_gpu_hour} USD is not what rack {rack.name} "
                f"holds; give {rack.gpu} at {rack.price_usd_per_gpu_hour}"
            )
        if not 1 <= per_replica <= rack.gpus_per_node:
            raise ValueError(
                f"pool {pool.name}: gpus_per_replica {per_replica} does not fit a node of rack {rack.name}; "
                f"give 1 to {rack.gpus_per_node}"
            )

    def check_target(self, gpus: int) -> None:
        """Raises ValueError, one line, for fewer GPUs than none or more than ``max_gpus``."""
        if not 0 <= gpus <= self.rack.max_gpus:
            raise ValueError(f"rack {self.rack.name}: {gpus} GPUs is not within 0 and max_gpus {self.rack.max_gpus}")

    def take(self, replica: str, need: int) -> list[Gpu]:
        """Give a replica so many GPUs of one node; an empty list if none has them."""
        return place(self.gpus, replica, need)

    def release(self, replica: str) -> None:
        """The replica is gone; its GPUs are idle, or given back if there are too many."""
        vacate(self.gpus, replica)
        self._give_back()

    def want(self, gpus: int) -> int:
        """Hold so many; gives how many are to be ordered for that. Orders on their way are cancelled first.

        Raises ValueError for fewer than none or more than ``max_gpus``.
        """
        self.check_target(gpus)
        self.wanted = gpus
        self._cancel(self.held + self.ordered - gpus)
        self._give_back()
        return max(0, gpus - self.held - self.ordered)

    def arrive(self, now_s: float) -> bool:
        """Take in the orders that are due; True if there were any."""
        due = sum(order.gpus for order in self.orders if order.ready_at_s <= now_s)
        self.orders = [order for order in self.orders if order.ready_at_s > now_s]
        self._receive(due)
        return due > 0

    def next_change_s(self) -> float:
        """When the next order arrives."""
        return min((order.ready_at_s for order in self.orders), default=math.inf)

    def bill(self, elapsed_s: float) -> None:
        """So many seconds passed with what is held and used now."""
        lent_s = elapsed_s * (self.held - self.used)
        self.held_gpu_s += elapsed_s * self.held
        self.used_gpu_s += elapsed_s * self.used
        self.lent_gpu_s += lent_s
        self.idle_cost_usd += lent_s / 3600 * self.rack.price_usd_per_gpu_hour * self.rack.lent_share

    def _receive(self, count: int) -> None:
        """Nodes are filled from the first on; a GPU that comes has no past."""
        for slot in sorted(self._places)[:count]:
            self._places.remove(slot)
            node, index = divmod(slot, self.rack.gpus_per_node)
            spec, name = SPECS.get(self.rack.gpu, UNKNOWN), self.rack.name
            self.gpus.append(Gpu(f"GPU-{name}-{node:03d}-{index}", f"{name}-node-{node:03d}", index, spec))
        self.gpus.sort(key=lambda gpu: (gpu.node, gpu.index))

    def _cancel(self, surplus: int) -> None:
        """The latest orders first; an order may become smaller."""
        for order in sorted(self.orders, key=lambda order: -order.ready_at_s):
            cancelled = max(0, min(surplus, order.gpus))
            order.gpus -= cancelled
            surplus -= cancelled
        self.orders = [order for order in self.orders if order.gpus]

    def _give_back(self) -> None:
        """Idle GPUs beyond what is wanted: broken ones, then those of the node that is used least, the last first."""
        while self.held > self.wanted:
            idle = [gpu for gpu in self.gpus if gpu.replica is None]
            if not idle:
                return
            used = {gpu.node: 0 for gpu in idle}
            for gpu in self.gpus:
                if gpu.replica is not None and gpu.node in used:
                    used[gpu.node] += 1
            gone = min(reversed(idle), key=lambda gpu: (gpu.fault is None, used[gpu.node]))
            self.gpus.remove(gone)
            node = int(gone.node.rsplit("-", 1)[1])
            self._places.add(node * self.rack.gpus_per_node + gone.index)
