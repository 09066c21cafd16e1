"""A service as the simulation needs it: the pools that run it, the promise it gives, and how it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.pool import LeadTime, Pool
from runtime.replica import Tier
from runtime.simulated.gpus import GPUS_PER_NODE
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.state import check


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """A service that starts with ``initial_active`` replicas of its pool, and holds requests that find none so long.

    In a ``rack`` its pool has no GPUs of its own: it sleeps on all of the rack's, and every start is a wake there.
    ``more_pools`` are other ways to run it, in the same rotation, each on GPUs of its own. ``max_replicas`` is how many
    of each pool there is room for. Raises ValueError, one line, for a pool that cannot be simulated.
    """

    name: str
    pool: Pool
    target: LatencyTarget
    initial_active: int
    max_replicas: int
    hold_timeout_s: float = 60.0
    rack: str | None = None
    more_pools: tuple[Pool, ...] = ()

    def __post_init__(self) -> None:
        if len({pool.name for pool in self.pools}) < len(self.pools):
            raise ValueError(f"service {self.name}: two of its pools are named alike: {[p.name for p in self.pools]}")
        for pool in self.pools:
            check(pool)
            if self.rack is None or pool is not self.pool:
                nodes_for(pool, self.max_replicas)
                next_slower(pool, Tier.COLD)
            elif Tier.ASLEEP not in pool.lead_times:
                raise ValueError(f"pool {pool.name}: lead_times has no asleep, which is how it starts in a rack")

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Every way to run it; the first is the one it starts with."""
        return (self.pool, *self.more_pools)


def nodes_for(pool: Pool, replicas: int) -> int:
    """Nodes for so many replicas, and a spare one. Raises ValueError for a replica that fits on no node."""
    if not 1 <= pool.gpus_per_replica <= GPUS_PER_NODE:
        raise ValueError(
            f"pool {pool.name}: gpus_per_replica {pool.gpus_per_replica} does not fit a simulated node; "
            f"give 1 to {GPUS_PER_NODE}"
        )
    return 1 + math.ceil(replicas / (GPUS_PER_NODE // pool.gpus_per_replica))


def next_slower(pool: Pool, origin: Tier) -> LeadTime:
    """The lead time of that tier, or of the nearest slower one that the pool knows; raises ValueError for none."""
    tiers = list(Tier)
    for tier in tiers[tiers.index(origin) :]:
        if tier in pool.lead_times:
            return pool.lead_times[tier]
    raise ValueError(f"pool {pool.name}: lead_times has neither {origin.value} nor a slower tier; give cold")
