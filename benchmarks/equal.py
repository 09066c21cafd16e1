"""Costs at the same attainment: a contender's knob is walked until the attainment lies between two of its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def walked(knobs: Iterable[float], knob: float, target: float, played: Callable[[float], Row]) -> list[Row]:
    """One row each at the knob's value and at neighbours, until the target's attainment lies between two."""
    values = sorted(knobs)
    at = values.index(knob)
    seen = {at: played(values[at])}
    for step in (1, -1):
        while not _bracketed(seen.values(), target):
            then = max(seen) + 1 if step > 0 else min(seen) - 1
            if not 0 <= then < len(values):
                break
            row = played(values[then])
            away = abs(row["attainment"] - target) > abs(seen[then - step]["attainment"] - target)
            seen[then] = row
            if away and not _bracketed(seen.values(), target):
                break
    return [seen[key] for key in sorted(seen)]


def _bracketed(rows: Iterable[dict[str, Any]], target: float) -> bool:
    shares: list[float] = [row["attainment"] for row in rows]
    return min(shares) <= target <= max(shares)


def cost_at(rows: Sequence[dict[str, Any]], target: float) -> tuple[str, float] | None:
    """(how the figure is to be read, GPU-hours) at an attainment: "=" interpolated between the nearest on either side
    on the logarithm of the missed share, "≥" where all attain less; None where all attain more.
    """
    below = [row for row in rows if row["attainment"] < target]
    above = [row for row in rows if row["attainment"] >= target]
    if not above:
        nearest = max(below, key=lambda row: float(row["attainment"]))
        return "≥", float(nearest["gpu_hours"])
    if not below:
        return None
    low = max(below, key=lambda row: float(row["attainment"]))
    high = min(above, key=lambda row: float(row["gpu_hours"]))
    missed = [math.log(max(1 - row["attainment"], 1e-6)) for row in (high, low)]
    share = (math.log(max(1 - target, 1e-6)) - missed[0]) / (missed[1] - missed[0])
    return "=", float(high["gpu_hours"]) + share * float(low["gpu_hours"] - high["gpu_hours"])
