"""Where the replicas of a service may run: each of its pools, with its target, its GPUs, and what it came to.

A lane has GPUs of its own, or it shares those of a rack with the lanes of other services.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runtime.fleet import PoolTarget
from runtime.pool import Pool
from runtime.replica import Tier
from runtime.simulated.gpus import Gpu, Inventory
from runtime.simulated.racks import SimulatedRack
from runtime.simulated.services import SimulatedService, nodes_for


@dataclass(slots=True, eq=False)
class Lane:
    """One pool of the service with that index: the unit of targets. Used so far: GPU-seconds and dollars, and how many
    replicas its provider took back.
    """

    service: int
    pool: Pool
    stock: Inventory | SimulatedRack
    target: PoolTarget
    gpu_s: float = 0.0
    cost_usd: float = 0.0
    reclaimed: int = 0

    @property
    def racked(self) -> bool:
        """Whether it sleeps in a rack, so that every start is a wake."""
        return isinstance(self.stock, SimulatedRack)

    def take(self, replica: str, node: str | None = None) -> list[Gpu]:
        """GPUs of one node for a replica, of ``node`` if it can be; an empty list where none has enough."""
        if isinstance(self.stock, SimulatedRack):
            return self.stock.take(replica, self.pool.gpus_per_replica)
        return self.stock.take(replica, node)

    def check(self, target: PoolTarget) -> None:
        """Raises ValueError, one line, for a target that it cannot have."""
        if min(target.active, target.standby, target.asleep, target.warm_node) < 0:
            raise ValueError(f"a target below zero: {target}")
        if self.racked and (target.asleep or target.warm_node):
            raise ValueError(f"{target.pool} sleeps on all of its rack; give asleep 0 and warm_node 0: {target}")

    def holding_usd(self, tier: Tier, seconds: float) -> float:
        """What a replica costs for so long, USD. In a rack it pays its GPUs in full: what is idle is the rack's."""
        return seconds / 3600 * self.pool.holding_usd_per_hour(Tier.ACTIVE if self.racked else tier)


def lanes_of(index: int, service: SimulatedService, racks: Mapping[str, SimulatedRack]) -> Iterator[Lane]:
    """Its pools in order; all that it starts with is of the first. Raises ValueError for a rack it cannot be in."""
    for pool in service.pools:
        first = pool is service.pool
        target = PoolTarget(service.name, pool.name, service.initial_active if first else 0)
        if first and service.rack is not None:
            yield Lane(index, pool, _rack(racks, service), target)
        else:
            yield Lane(index, pool, Inventory(pool, nodes_for(pool, service.max_replicas)), target)


def _rack(racks: Mapping[str, SimulatedRack], service: SimulatedService) -> SimulatedRack:
    """Raises ValueError, one line, for a service whose rack does not exist or cannot take it."""
    if service.rack is None or service.rack not in racks:
        raise ValueError(f"service {service.name}: no rack {service.rack}; there is {', '.join(racks) or 'none'}")
    racks[service.rack].check(service.pool)
    return racks[service.rack]
