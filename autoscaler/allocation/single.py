"""One service on one pool, with no limit in the way: the closed form, which is today's sizing."""

from __future__ import annotations

import math

from autoscaler.allocation.needs import Cell, late_cap
from autoscaler.allocation.terms import SPARES, Demand
from runtime.replica import Tier


def solve(demand: Demand) -> dict[Cell, int] | None:
    """Active and spare replicas that reach every line at least cost; None where a limit bites or tiers abound."""
    if len(demand.options) != 1 or demand.base_erlangs > 0 or demand.budget_usd_per_hour is not None:
        return None
    option = demand.options[0]
    spares = [tier for tier in option.usd_per_hour if tier is not Tier.ACTIVE]
    if len(spares) > 1 or any(tier not in SPARES for tier in spares) or option.erlangs <= 0:
        return None
    if any(late_cap(option, line) is not None for line in demand.lines):
        return None
    spare = spares[0] if spares and demand.most_spare > 0 else None
    if spare is None:
        active = max([demand.least_active, *(_replicas(line.erlangs, option.erlangs) for line in demand.lines)])
        return _within({(0, Tier.ACTIVE): active}, demand, 0 if demand.least_spare == 0 else None)
    dearer = option.usd_per_hour[spare] >= option.usd_per_hour[Tier.ACTIVE]
    most = demand.least_spare if dearer else demand.most_spare
    total = active = demand.least_active
    for line in demand.lines:
        need = _replicas(line.erlangs, option.erlangs)
        total = max(total, need)
        active = max(active, need - most if option.ready(spare, line.ready_s) else need)
    held = max(demand.least_spare, total - active)
    return _within({(0, Tier.ACTIVE): active, (0, spare): held}, demand, held)


def _replicas(erlangs: float, each: float) -> int:
    return math.ceil(erlangs / each - 1e-9)


def _within(counts: dict[Cell, int], demand: Demand, spare: int | None) -> dict[Cell, int] | None:
    most = min(demand.most, demand.options[0].most if demand.options[0].most is not None else demand.most)
    if spare is None or spare > demand.most_spare or sum(counts.values()) > most:
        return None
    return {cell: count for cell, count in counts.items() if count}
