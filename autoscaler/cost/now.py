"""What it costs: dollars an hour by tier, and dollars per million tokens in figures that say what they
include.

*Serving* divides what the replicas in rotation cost by the tokens they gave; *fully loaded* divides what
everything that is held for the service costs. The waste share is what lies between the two. No tokens, no
price: None, never zero or infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from autoscaler.counts import counts_of
from autoscaler.decision import TierCounts
from runtime.fleet import PoolTarget
from runtime.pool import Pool
from runtime.replica import Replica, Tier


@dataclass(frozen=True, slots=True)
class HourlyCost:
    """USD per hour of one pool. Replicas on their way, draining or failed hold their GPUs: they are
    ``overhead``.
    """

    active_usd: float
    standby_usd: float
    asleep_usd: float
    warm_node_usd: float
    overhead_usd: float

    @property
    def total_usd(self) -> float:
        """Everything that is held for the service, USD per hour."""
        return self.active_usd + self.standby_usd + self.asleep_usd + self.warm_node_usd + self.overhead_usd


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per million tokens (input and output together), None where no tokens flowed."""

    serving_usd: float | None
    fully_loaded_usd: float | None
    waste_share: float | None


def hourly(counts: TierCounts, pool: Pool) -> HourlyCost:
    """What the replicas of one pool cost per hour, by tier, at the pool's holding shares."""
    moving = counts.launching + counts.waking + counts.preparing + counts.draining + counts.failed + counts.sick
    return HourlyCost(
        active_usd=counts.active * pool.holding_usd_per_hour(Tier.ACTIVE),
        standby_usd=counts.standby * pool.holding_usd_per_hour(Tier.STANDBY),
        asleep_usd=counts.asleep * pool.holding_usd_per_hour(Tier.ASLEEP),
        warm_node_usd=counts.warm_node * pool.holding_usd_per_hour(Tier.WARM_NODE),
        overhead_usd=moving * pool.replica_usd_per_hour,
    )


def hourly_of(replicas: Iterable[Replica], pools: Sequence[Pool]) -> HourlyCost:
    """What replicas of several pools cost per hour, by tier; those of pools that are not known count as the first's."""
    own: dict[str, list[Replica]] = {pool.name: [] for pool in pools}
    for replica in replicas:
        own.get(replica.pool, own[pools[0].name]).append(replica)
    costs = [hourly(counts_of(own[pool.name]), pool) for pool in pools]
    return HourlyCost(**{part.name: sum(getattr(cost, part.name) for cost in costs) for part in fields(HourlyCost)})


def planned(target: PoolTarget) -> TierCounts:
    """The replicas that there will be once a plan is carried out."""
    return TierCounts(target.active, target.standby, target.asleep, target.warm_node)


def per_million_tokens(cost: HourlyCost, tokens_per_s: float | None) -> TokenPrice:
    """Prices at a token rate (input plus output, per second)."""
    total = cost.total_usd
    waste = None if total <= 0 else 1 - cost.active_usd / total
    if tokens_per_s is None or tokens_per_s <= 0:
        return TokenPrice(None, None, waste)
    millions_per_hour = tokens_per_s * 3600 / 1e6
    return TokenPrice(cost.active_usd / millions_per_hour, total / millions_per_hour, waste)
