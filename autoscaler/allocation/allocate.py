"""Allocate: each service by itself first, together only those that want the same scarce thing.

Dropping the shared limits gives an optimum that can only be better. Where it breaks none of them it is therefore *the*
optimum; otherwise the limits that it breaks are taken in, the services that use them are solved together, and so on
until none is broken. Every round adds a limit, so there are few; and where nothing is scarce, services never meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from autoscaler.allocation import grid, program, single
from autoscaler.allocation.fits import fits
from autoscaler.allocation.needs import Cell
from autoscaler.allocation.price import holding_usd
from autoscaler.allocation.shortage import shortages
from autoscaler.allocation.terms import Allocation, Demand, Market, Share
from runtime.replica import Tier

BUDGET = "budget"
"""The fleet's money among the shared limits; the others are GPU types."""

Counts = dict[Cell, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Counts of one service, and how far from the least cost they may be."""

    counts: Counts
    gap: float = 0.0


def allocate(demands: Sequence[Demand], market: Market, gap: float = 0.0) -> Allocation:
    """Least cost such that every line holds, or is short where it cannot, lowest priority first.

    With a ``gap`` above 0, services that share something scarce are solved quickly instead of exactly (``program`` says
    how). What cannot be had is a ``Shortage``, never an error.
    """
    found = [_alone(demand, market) for demand in demands]
    scarce: set[str] = set()
    while broken := _broken(demands, found, market) - scarce:
        scarce |= broken
        for group in _groups(demands, scarce):
            _together(demands, market, scarce, group, found, gap)
    shares = tuple(_share(demand, one.counts) for demand, one in zip(demands, found, strict=True))
    shares = shortages(demands, shares, market)
    usd = sum(share.usd_per_hour for share in shares)
    names = sorted("fleet budget" if limit == BUDGET else f"inventory {limit}" for limit in scarce)
    return Allocation(shares, usd, tuple(names), max((one.gap for one in found), default=0.0))


def _alone(demand: Demand, market: Market) -> Found:
    free = Market(notice_s=market.notice_s)
    counts = single.solve(demand)
    if counts is None:
        counts = grid.solve(demand, free)
    if counts is not None:
        return Found(counts)
    many, gap = program.solve([demand], free)
    return Found(many[0], gap)


def _broken(demands: Sequence[Demand], found: Sequence[Found], market: Market) -> set[str]:
    """Shared limits that these counts do not keep."""
    broken = {gpu for gpu, domains in market.domains.items() if not fits(domains, _sizes(demands, found, gpu))}
    if market.budget_usd_per_hour is not None:
        usd = sum(holding_usd(demand, one.counts) for demand, one in zip(demands, found, strict=True))
        if usd > market.budget_usd_per_hour + 1e-6:
            broken.add(BUDGET)
    return broken


def _sizes(demands: Sequence[Demand], found: Sequence[Found], gpu: str) -> Mapping[Fraction, int]:
    sizes: dict[Fraction, int] = {}
    for demand, one in zip(demands, found, strict=True):
        for (index, _), count in one.counts.items():
            if demand.options[index].gpu == gpu:
                sizes[demand.options[index].gpus] = sizes.get(demand.options[index].gpus, 0) + count
    return sizes


def _groups(demands: Sequence[Demand], scarce: set[str]) -> Iterator[list[int]]:
    """Services that meet, directly or through others, over something scarce."""
    groups: list[tuple[set[str], list[int]]] = []
    for index, demand in enumerate(demands):
        wants = {option.gpu for option in demand.options} & scarce | ({BUDGET} & scarce)
        if not wants:
            continue
        met = [group for group in groups if group[0] & wants]
        groups = [group for group in groups if not group[0] & wants]
        groups.append((wants.union(*(group[0] for group in met)), [*(i for g in met for i in g[1]), index]))
    for _, members in groups:
        yield sorted(members)


def _together(
    demands: Sequence[Demand], market: Market, scarce: set[str], group: list[int], found: list[Found], gap: float
) -> None:
    domains = {gpu: market.domains[gpu] for gpu in sorted(scarce - {BUDGET})}
    limits = replace(
        market, domains=domains, budget_usd_per_hour=market.budget_usd_per_hour if BUDGET in scarce else None
    )
    counts, reached = program.solve([demands[i] for i in group], limits, gap)
    for i, one in zip(group, counts, strict=True):
        found[i] = Found(one, reached)


def _share(demand: Demand, counts: Counts) -> Share:
    named: dict[str, dict[Tier, int]] = {option.pool: {} for option in demand.options}
    for (index, tier), count in counts.items():
        named[demand.options[index].pool][tier] = count
    return Share(demand.service, named, (), holding_usd(demand, counts))
