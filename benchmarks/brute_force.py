"""Allocation by trying everything: slow, plain, and written apart from the optimiser, which is held against it.

Every count up to a bound, every placement of every replica on every GPU; the best by (shortage of each priority class,
highest first; then cost). Only for cases of a few replicas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from autoscaler.allocation.needs import MOST_IMPORTANT
from autoscaler.allocation.price import NUDGE_USD, RANK
from autoscaler.allocation.terms import Demand, Line, Market, Option, Share
from runtime.replica import Tier

Counts = tuple[Mapping[Tier, int], ...]
"""Per option, what is held in each tier."""

READY = (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)
Nodes = list[list[Fraction]]
"""What is free of each GPU of each node."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One choice for one service: shortage and cost as weighed, cost as billed, and replicas by GPU type and size."""

    short: float
    usd: float
    billed: float
    uses: tuple[tuple[str, Fraction, int], ...]


def best(demands: Sequence[Demand], market: Market, most: int) -> tuple[float, ...]:
    """(shortage of each class…, cost) of the best choice with up to ``most`` replicas in each tier of each pool."""
    classes = sorted({demand.priority for demand in demands}, reverse=True)
    found: tuple[float, ...] | None = None
    for chosen in product(*(_thinned(list(_choices(demand, market, most))) for demand in demands)):
        value = _value(demands, chosen, classes)
        if (found is None or _less(value, found)) and allowed(chosen, market):
            found = value
    assert found is not None, "nothing at all is always allowed"
    return found


def value_of(demands: Sequence[Demand], shares: Sequence[Share], market: Market) -> tuple[float, ...]:
    """The same figures for what an optimiser chose; raises AssertionError where it breaks a limit."""
    classes = sorted({demand.priority for demand in demands}, reverse=True)
    tried = []
    for demand, share in zip(demands, shares, strict=True):
        counts = tuple(share.counts[option.pool] for option in demand.options)
        assert _within(demand, counts), f"{demand.service} breaks its own limits"
        tried.append(_tried(demand, counts, market))
    assert allowed(tried, market), "a shared limit is broken"
    return _value(demands, tried, classes)


def allowed(chosen: Sequence[Tried], market: Market) -> bool:
    """Whether the shared limits hold."""
    if sum(one.billed for one in chosen) > (market.budget_usd_per_hour or math.inf) + 1e-6:
        return False
    for gpu, domains in market.domains.items():
        sizes = [size for one in chosen for kind, size, count in one.uses if kind == gpu for _ in range(count)]
        nodes = [[Fraction(1)] * free for free, many in domains for _ in range(many)]
        if not placeable(sorted(sizes, reverse=True), nodes):
            return False
    return True


def placeable(sizes: Sequence[Fraction], nodes: Nodes) -> bool:
    """Whether all replicas find their GPUs, each within one node; largest first."""
    if not sizes:
        return True
    if sum(sizes) > sum(sum(node, Fraction(0)) for node in nodes):
        return False
    size, rest = sizes[0], sizes[1:]
    seen = set()
    for number, node in enumerate(nodes):
        for after in _placements(size, node):
            key = (tuple(sorted(node)), tuple(sorted(after)))
            if key not in seen:
                seen.add(key)
                if placeable(rest, [*nodes[:number], after, *nodes[number + 1 :]]):
                    return True
    return False


def _placements(size: Fraction, node: list[Fraction]) -> Iterator[list[Fraction]]:
    """What is left of a node when a replica is put on it, in each way."""
    if size < 1:
        for number, free in enumerate(node):
            if free >= size:
                yield [*node[:number], free - size, *node[number + 1 :]]
        return
    empty = [number for number, free in enumerate(node) if free == 1][: int(size)]
    if len(empty) == size:
        yield [Fraction(0) if number in empty else free for number, free in enumerate(node)]


def _choices(demand: Demand, market: Market, most: int) -> Iterator[Tried]:
    cells = [(index, tier) for index, option in enumerate(demand.options) for tier in option.usd_per_hour]
    for numbers in product(range(most + 1), repeat=len(cells)):
        held = tuple(
            {tier: n for (i, tier), n in zip(cells, numbers, strict=True) if i == index}
            for index in range(len(demand.options))
        )
        if _within(demand, held):
            yield _tried(demand, held, market)


def _thinned(choices: list[Tried]) -> list[Tried]:
    """Of choices that use the same GPUs, only those that are not beaten in everything."""
    kept: dict[tuple[tuple[str, Fraction, int], ...], list[Tried]] = {}
    for one in sorted(choices, key=lambda t: (t.short, t.usd)):
        rivals = kept.setdefault(one.uses, [])
        if not any(r.short <= one.short and r.usd <= one.usd and r.billed <= one.billed for r in rivals):
            rivals.append(one)
    return [one for rivals in kept.values() for one in rivals]


def _within(demand: Demand, counts: Counts) -> bool:
    spare = sum(held.get(Tier.STANDBY, 0) + held.get(Tier.ASLEEP, 0) for held in counts)
    active = sum(held.get(Tier.ACTIVE, 0) for held in counts)
    budget = demand.budget_usd_per_hour
    return (
        spare <= demand.most_spare
        and active + spare <= demand.most
        and (budget is None or _billed(demand, counts) <= budget + 1e-6)
        and all(
            option.most is None or sum(held.values()) <= option.most
            for option, held in zip(demand.options, counts, strict=True)
        )
    )


def _billed(demand: Demand, counts: Counts) -> float:
    pairs = zip(demand.options, counts, strict=True)
    return sum(option.usd_per_hour[tier] * n for option, held in pairs for tier, n in held.items())


def _tried(demand: Demand, counts: Counts, market: Market) -> Tried:
    billed = usd = _billed(demand, counts)
    for index, (option, held) in enumerate(zip(demand.options, counts, strict=True)):
        usd += sum(NUDGE_USD * (1 + RANK[tier] + index / 10) * n for tier, n in held.items())
        usd += option.launch_usd * max(0, sum(held.values()) - sum(option.now.values()))
    uses: dict[tuple[str, Fraction], int] = {}
    for option, held in zip(demand.options, counts, strict=True):
        uses[option.gpu, option.gpus] = uses.get((option.gpu, option.gpus), 0) + sum(held.values())
    return Tried(_short(demand, counts, market), usd, billed, tuple((*key, n) for key, n in uses.items()))


def _short(demand: Demand, counts: Counts, market: Market) -> float:
    dearest = max((line.usd_per_erlang_hour for line in demand.lines), default=1.0)
    per_replica = dearest * max((option.erlangs for option in demand.options), default=1.0)
    active = sum(held.get(Tier.ACTIVE, 0) for held in counts)
    spare = sum(held.get(Tier.STANDBY, 0) + held.get(Tier.ASLEEP, 0) for held in counts)
    short = per_replica * MOST_IMPORTANT * max(0, demand.least_active - active)
    short += per_replica * max(0, demand.least_spare - spare)
    for line in demand.lines:
        short += line.usd_per_erlang_hour * max(0.0, line.erlangs - _carried(demand, counts, line))
    for spot in {option.spot for option in demand.options} - {""}:
        lost = Line("base", demand.base_erlangs, market.notice_s.get(spot, 0.0), without=spot)
        short += dearest * max(0.0, demand.base_erlangs - _carried(demand, counts, lost))
    return short


def _carried(demand: Demand, counts: Counts, line: Line) -> float:
    carried = 0.0
    for option, held in zip(demand.options, counts, strict=True):
        if line.without and option.spot == line.without:
            continue
        ready = sum(n for tier, n in held.items() if _lead_s(option, tier) <= line.ready_s)
        if option.launch_s > line.deliver_s:
            ready = min(ready, sum(n for tier, n in option.now.items() if _lead_s(option, tier) <= line.deliver_s))
        carried += option.erlangs * ready
    return carried


def _lead_s(option: Option, tier: Tier) -> float:
    return 0.0 if tier is Tier.ACTIVE else option.lead_s[tier]


def _value(demands: Sequence[Demand], chosen: Sequence[Tried], classes: Sequence[int]) -> tuple[float, ...]:
    pairs = list(zip(demands, chosen, strict=True))
    short = [sum(one.short for demand, one in pairs if demand.priority == priority) for priority in classes]
    return (*short, sum(one.usd for one in chosen))


def _less(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    for a, b in zip(one, other, strict=True):
        if abs(a - b) > 1e-6:
            return a < b
    return False
