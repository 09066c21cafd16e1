"""What is short, by how much, and what stands in the way of one replica more: the part that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from autoscaler.allocation.fits import fits
from autoscaler.allocation.needs import Cell, Need, needs_of
from autoscaler.allocation.terms import SPARES, Demand, Market, Option, Share, Shortage
from runtime.replica import Tier

LEAST = 1e-5
"""What is less is rounding."""

HELD = (Tier.ACTIVE, *SPARES)


@dataclass(slots=True)
class Room:
    """What is left of each type of GPU; every question about a type is worked out once."""

    demands: Sequence[Demand]
    shares: Sequence[Share]
    market: Market
    _taken: dict[str, Mapping[Fraction, int]] = field(default_factory=dict)
    _fits: dict[tuple[str, Fraction], bool] = field(default_factory=dict)

    def taken(self, gpu: str) -> Mapping[Fraction, int]:
        """Replicas on that type of GPU by their size."""
        if gpu not in self._taken:
            self._taken[gpu] = taken(gpu, self.demands, self.shares)
        return self._taken[gpu]

    def left(self, gpu: str) -> Fraction:
        """GPUs of that type that nobody holds, wherever they are."""
        there = sum(free * many for free, many in self.market.domains[gpu])
        return there - sum((size * count for size, count in self.taken(gpu).items()), Fraction(0))

    def one_more(self, option: Option) -> bool:
        """Whether one replica more of that option fits."""
        asked = option.gpu, option.gpus
        if asked not in self._fits:
            sizes = dict(self.taken(option.gpu))
            sizes[option.gpus] = sizes.get(option.gpus, 0) + 1
            self._fits[asked] = fits(self.market.domains[option.gpu], sizes)
        return self._fits[asked]


def shortages(demands: Sequence[Demand], shares: Sequence[Share], market: Market) -> tuple[Share, ...]:
    """The shares with what they are short of."""
    told, room = [], Room(demands, shares, market)
    fleet_usd = sum(share.usd_per_hour for share in shares)
    for demand, share in zip(demands, shares, strict=True):
        short = [
            (need, amount)
            for need in needs_of(demand, market)
            if (amount := missing(need, demand, share.counts)) > LEAST
        ]
        if short:
            limits = tuple(dict.fromkeys(_limits(demand, share, fleet_usd, room)))
            share = replace(share, shortages=tuple(Shortage(need.name, amount, limits) for need, amount in short))
        told.append(share)
    return tuple(told)


def missing(need: Need, demand: Demand, counts: Mapping[str, Mapping[Tier, int]]) -> float:
    """By how much a need is not reached with ``counts[pool][tier]``."""
    carried = 0.0
    for index, option in enumerate(demand.options):
        cells: list[Cell] = [cell for cell in need.weights if cell[0] == index]
        count = sum(counts[option.pool].get(tier, 0) for _, tier in cells)
        if cells:
            carried += need.weights[cells[0]] * min(count, need.late.get(index, count))
    return max(0.0, need.amount - carried)


def _limits(demand: Demand, share: Share, fleet_usd: float, room: Room) -> Iterator[str]:
    """Why none of its pools can give one replica more."""
    held = sum(count for counts in share.counts.values() for tier, count in counts.items() if tier in HELD)
    if held >= demand.most:
        yield f"max {demand.most}"
    market = room.market
    for option in demand.options:
        usd = min(option.usd_per_hour.values())
        if demand.budget_usd_per_hour is not None and share.usd_per_hour + usd > demand.budget_usd_per_hour + 1e-6:
            yield f"budget ${demand.budget_usd_per_hour:g} an hour"
        if market.budget_usd_per_hour is not None and fleet_usd + usd > market.budget_usd_per_hour + 1e-6:
            yield f"fleet budget ${market.budget_usd_per_hour:g} an hour"
        if option.most is not None and sum(share.counts[option.pool].values()) >= option.most:
            yield f"{option.pool} at most {option.most}"
        if option.gpu in market.domains and not room.one_more(option):
            left = float(room.left(option.gpu))
            yield f"inventory: {left:g} {option.gpu} left, {float(option.gpus):g} needed"


def taken(gpu: str, demands: Sequence[Demand], shares: Sequence[Share]) -> Mapping[Fraction, int]:
    """Replicas on that type of GPU by their size."""
    sizes: dict[Fraction, int] = {}
    for demand, share in zip(demands, shares, strict=True):
        for option in demand.options:
            if option.gpu == gpu:
                count = sum(share.counts[option.pool].values())
                sizes[option.gpus] = sizes.get(option.gpus, 0) + count
    return sizes
