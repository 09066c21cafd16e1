"""What a choice of counts costs, as the allocation weighs it: holding, launching, and a nudge between equals."""

from __future__ import annotations

from autoscaler.allocation.needs import Cell
from autoscaler.allocation.terms import Demand, Option
from runtime.replica import Tier

NUDGE_USD = 1e-4
"""Between equal costs the faster tier and the earlier pool win; dollars an hour, far below any price."""

RANK = {tier: rank for rank, tier in enumerate(Tier)}


def cell_usd(demand: Demand, cell: Cell) -> float:
    """What one replica more in that cell weighs, USD per hour."""
    index, tier = cell
    return demand.options[index].usd_per_hour[tier] + NUDGE_USD * (1 + RANK[tier] + index / 10)


def launched(option: Option, held: int) -> int:
    """How many replicas must be launched to hold so many."""
    return max(0, held - sum(option.now.values()))


def holding_usd(demand: Demand, counts: dict[Cell, int]) -> float:
    """What holding these replicas costs, USD per hour."""
    return sum(demand.options[i].usd_per_hour[tier] * count for (i, tier), count in counts.items())


def weight_usd(demand: Demand, counts: dict[Cell, int]) -> float:
    """What is minimised: holding, nudges and launches, USD per hour."""
    held = [0] * len(demand.options)
    for (index, _), count in counts.items():
        held[index] += count
    launches = sum(launched(o, n) * o.launch_usd for o, n in zip(demand.options, held, strict=True))
    return launches + sum(cell_usd(demand, cell) * count for cell, count in counts.items())
