"""What is short, by how much, and what stands in the way of one replica more: the part that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from autoscaler.allocation.fits import fits
from autoscaler.allocation.needs import Cell, Need, needs_of
from autoscaler.allocation.terms import SPARES, Demand, Market, Option, Share, Shortage
from runtime.replica import Tier

LEAST = 1e-5
"""What is less is rounding."""

HELD = (Tier.ACTIVE, *SPARES)


def shortages(demands: Sequence[Demand], shares: Sequence[Share], market: Market) -> tuple[Share, ...]:
    """The shares with what they are short of."""
    told = []
    for demand, share in zip(demands, shares, strict=True):
        short = [
            (need, amount)
            for need in needs_of(demand, market)
            if (amount := missing(need, demand, share.counts)) > LEAST
        ]
        if short:
            limits = tuple(dict.fromkeys(_limits(demand, share, demands, shares, market)))
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


def _limits(
    demand: Demand, share: Share, demands: Sequence[Demand], shares: Sequence[Share], market: Market
) -> Iterator[str]:
    """Why none of its pools can give one replica more."""
    held = sum(count for counts in share.counts.values() for tier, count in counts.items() if tier in HELD)
    if held >= demand.most:
        yield f"max {demand.most}"
    fleet_usd = sum(one.usd_per_hour for one in shares)
    for option in demand.options:
        usd = min(option.usd_per_hour.values())
        if demand.budget_usd_per_hour is not None and share.usd_per_hour + usd > demand.budget_usd_per_hour + 1e-6:
            yield f"budget ${demand.budget_usd_per_hour:g} an hour"
        if market.budget_usd_per_hour is not None and fleet_usd + usd > market.budget_usd_per_hour + 1e-6:
            yield f"fleet budget ${market.budget_usd_per_hour:g} an hour"
        if option.most is not None and sum(share.counts[option.pool].values()) >= option.most:
            yield f"{option.pool} at most {option.most}"
        if option.gpu in market.domains and not _room(option, demands, shares, market):
            left = float(left_of(option.gpu, demands, shares, market))
            yield f"inventory: {left:g} {option.gpu} left, {float(option.gpus):g} needed"


def left_of(gpu: str, demands: Sequence[Demand], shares: Sequence[Share], market: Market) -> Fraction:
    """GPUs of that type that nobody holds, wherever they are."""
    there = sum(free * many for free, many in market.domains[gpu])
    return there - sum((size * count for size, count in taken(gpu, demands, shares).items()), Fraction(0))


def taken(gpu: str, demands: Sequence[Demand], shares: Sequence[Share]) -> Mapping[Fraction, int]:
    """Replicas on that type of GPU by their size."""
    sizes: dict[Fraction, int] = {}
    for demand, share in zip(demands, shares, strict=True):
        for option in demand.options:
            if option.gpu == gpu:
                count = sum(share.counts[option.pool].values())
                sizes[option.gpus] = sizes.get(option.gpus, 0) + count
    return sizes


def _room(option: Option, demands: Sequence[Demand], shares: Sequence[Share], market: Market) -> bool:
    sizes = dict(taken(option.gpu, demands, shares))
    sizes[option.gpus] = sizes.get(option.gpus, 0) + 1
    return fits(market.domains[option.gpu], sizes)
