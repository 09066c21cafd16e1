"""The lines of a demand as plain rows: which replicas count, how much each, and how much is needed. Pure.

Every row reads Σ weight·n ≥ amount over (option, tier). Besides the demand's own lines there are the fewest active
replicas, the fewest spares, and for each spot market what must be left when all of it goes at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from autoscaler.allocation.terms import SPARES, Demand, Line, Market, Option
from runtime.replica import Tier

Cell = tuple[int, Tier]
"""A count that is to be decided: index of the option, and tier."""

MOST_IMPORTANT = 1000.0
"""The fewest active replicas weigh so many times what a line does."""


@dataclass(frozen=True, slots=True)
class Need:
    """One row. ``late[option]`` caps how many of that option's replicas count: those that exist, where new ones
    come too late. ``usd`` weighs one unit of being short.
    """

    name: str
    weights: Mapping[Cell, float]
    amount: float
    usd: float
    late: Mapping[int, int]


def needs_of(demand: Demand, market: Market) -> tuple[Need, ...]:
    """All rows of a demand that ask for anything, most important first."""
    dearest = max((line.usd_per_erlang_hour for line in demand.lines), default=1.0)
    per_replica = dearest * max((option.erlangs for option in demand.options), default=1.0)
    rows = [
        _counting("min", demand, (Tier.ACTIVE,), demand.least_active, per_replica * MOST_IMPORTANT),
        _counting("spares", demand, SPARES, demand.least_spare, per_replica),
        *(_carrying(line, demand) for line in _all_lines(demand, market, dearest)),
    ]
    return tuple(row for row in rows if row.amount > 0)


def holdable(demand: Demand) -> Iterator[Cell]:
    """The counts to decide, fastest tier of the first option first."""
    for index, option in enumerate(demand.options):
        for tier in Tier:
            if tier in option.usd_per_hour:
                yield index, tier


def late_cap(option: Option, line: Line) -> int | None:
    """How many of an option's replicas can count for a line: None for as many as there will be."""
    if option.launch_s <= line.deliver_s + 1e-9:
        return None
    return sum(count for tier, count in option.now.items() if option.ready(tier, line.deliver_s))


def _all_lines(demand: Demand, market: Market, usd: float) -> Iterator[Line]:
    yield from demand.lines
    spots = sorted({option.spot for option in demand.options if option.spot})
    for spot in spots if demand.base_erlangs > 0 else ():
        notice_s = market.notice_s.get(spot, 0.0)
        yield Line(f"base without {spot}", demand.base_erlangs, notice_s, usd_per_erlang_hour=usd, without=spot)


def _carrying(line: Line, demand: Demand) -> Need:
    options = [o if not line.without or o.spot != line.without else replace(o, erlangs=0.0) for o in demand.options]
    weights = {
        (index, tier): options[index].erlangs
        for index, tier in holdable(demand)
        if options[index].erlangs > 0 and options[index].ready(tier, line.ready_s)
    }
    caps = {index: cap for index, option in enumerate(options) if (cap := late_cap(option, line)) is not None}
    return Need(line.name, weights, line.erlangs, line.usd_per_erlang_hour, caps)


def _counting(name: str, demand: Demand, tiers: tuple[Tier, ...], amount: int, usd: float) -> Need:
    weights = {cell: 1.0 for cell in holdable(demand) if cell[1] in tiers}
    return Need(name, weights, float(amount), usd, {})
