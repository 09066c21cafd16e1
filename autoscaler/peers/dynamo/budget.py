"""What the GPU budget makes of a wish: Dynamo's band of GPUs, its clamps, its direction guard and its step limit.

Corrections D9 to D11. A bound of -1 is off. ``Pair`` holds prefill and decode replicas, ``Costs`` the GPUs of each and
the band; a planner with one component uses the ``single`` forms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

Pair = tuple[int, int]

HOLD, RECONCILE, NO_CHANGE = "gpu_budget_guard_hold", "gpu_budget_reconcile", "no_change"


@dataclass(frozen=True, slots=True)
class Costs:
    """GPUs per replica of each component, the least replicas of each, and the band of GPUs."""

    gpus: tuple[int, ...]
    minimum: tuple[int, ...]
    min_gpus: int = -1
    max_gpus: int = -1

    def total(self, counts: Sequence[int]) -> int:
        """GPUs of these replicas."""
        return sum(count * gpus for count, gpus in zip(counts, self.gpus, strict=True))

    @property
    def tolerance(self) -> int:
        """How far below the band is still inside: one replica of the larger kind, if both bounds are set (D9)."""
        return tolerance(self.gpus) if self.min_gpus >= 0 and self.max_gpus >= 0 else 0

    def holds(self, counts: Sequence[int]) -> bool:
        """Whether these replicas are in the band."""
        return in_band(self.total(counts), self.min_gpus, self.max_gpus, self.tolerance)


def tolerance(gpus: Sequence[int]) -> int:
    """The largest number of GPUs per replica, 0 of none."""
    return max(0, *gpus, 0)


def in_band(total: int, min_gpus: int, max_gpus: int, slack: int) -> bool:
    """Never above the maximum, at most ``slack`` below the minimum."""
    if max_gpus >= 0 and total > max_gpus:
        return False
    return min_gpus < 0 or total >= min_gpus - slack


def clamp_pair(counts: Pair, costs: Costs) -> Pair:
    """The pair brought into the band, (0, 0) where not even the minima fit (D9)."""
    if min(costs.gpus) <= 0 or costs.holds(counts):
        return counts
    total = costs.total(counts)
    if costs.max_gpus >= 0 and total > costs.max_gpus:
        return _shrunk_pair(counts, costs, total)
    grown = _grown_pair(counts, costs, total)
    return counts if costs.max_gpus >= 0 and costs.total(grown) > costs.max_gpus else grown


def _shrunk_pair(counts: Pair, costs: Costs, total: int) -> Pair:
    (p, d), (p_gpu, d_gpu), (min_p, min_d), limit = counts, costs.gpus, costs.minimum, costs.max_gpus
    if costs.total(costs.minimum) > limit:
        return 0, 0
    p = max(min_p, min((limit - min_d * d_gpu) // p_gpu, p * limit // total))
    return p, max(min_d, min(d, (limit - p * p_gpu) // d_gpu))


def _grown_pair(counts: Pair, costs: Costs, total: int) -> Pair:
    (p, _), (p_gpu, d_gpu), (min_p, min_d), floor = counts, costs.gpus, costs.minimum, costs.min_gpus
    p = max(min_p, math.ceil(p * floor / total) if total else math.ceil(floor / 2 / p_gpu))
    return p, max(min_d, math.ceil((floor - p * p_gpu) / d_gpu))


def clamp_single(replicas: int, costs: Costs) -> int:
    """One component brought into the band, 0 where its minimum does not fit (D9)."""
    gpus, minimum = costs.gpus[0], costs.minimum[0]
    if gpus <= 0 or costs.holds((replicas,)):
        return replicas
    if costs.max_gpus >= 0 and replicas * gpus > costs.max_gpus:
        return max(minimum, costs.max_gpus // gpus) if minimum * gpus <= costs.max_gpus else 0
    grown = max(minimum, math.ceil(costs.min_gpus / gpus))
    return costs.max_gpus // gpus if costs.max_gpus >= 0 and grown * gpus > costs.max_gpus else grown


def fit_pair(current: Pair, proposed: Pair, costs: Costs) -> Pair:
    """The pair in band between both that is closest to the proposal, else the current one.

    Where one goes up and the other down, both move or neither.
    """
    opposing = (proposed[0] - current[0]) * (proposed[1] - current[1]) < 0
    inside = [
        (p, d)
        for p in _between(current[0], proposed[0])
        for d in _between(current[1], proposed[1])
        if costs.holds((p, d)) and not (opposing and (p == current[0] or d == current[1]))
    ]
    return min(inside, key=lambda pair: math.dist(pair, proposed), default=current)


def _between(one: int, other: int) -> range:
    return range(min(one, other), max(one, other) + 1)


def guard(current: tuple[int, ...], proposed: tuple[int, ...], costs: Costs) -> tuple[tuple[int, ...], str | None]:
    """What may be done of a proposal, and why it is not all of it (D10).

    From outside the band, or below a component's minimum, the current counts are brought in first.
    """
    lifted = tuple(map(max, current, costs.minimum))
    if not costs.holds(current) or lifted != current:
        return _clamped(lifted, costs), RECONCILE
    ups = any(new > old for new, old in zip(proposed, current, strict=True))
    downs = any(new < old for new, old in zip(proposed, current, strict=True))
    total = costs.total(current)
    if downs and not ups and costs.min_gpus >= 0 and total <= costs.min_gpus:
        return current, HOLD
    if ups and not downs and costs.max_gpus >= 0 and total >= costs.max_gpus:
        return current, HOLD
    if costs.holds(proposed):
        return proposed, None
    if ups and downs:
        fitted: tuple[int, ...] = fit_pair((current[0], current[1]), (proposed[0], proposed[1]), costs)
    else:
        fitted = _clamped(proposed, costs)
    if fitted == current or not _inside(current, fitted, proposed):
        return current, HOLD
    return fitted, None


def _clamped(counts: tuple[int, ...], costs: Costs) -> tuple[int, ...]:
    return clamp_pair((counts[0], counts[1]), costs) if len(counts) == 2 else (clamp_single(counts[0], costs),)


def _inside(current: Sequence[int], fitted: Sequence[int], proposed: Sequence[int]) -> bool:
    """Whether nothing reverses or exceeds the proposal."""
    return all(new in _between(old, wanted) for old, new, wanted in zip(current, fitted, proposed, strict=True))


@dataclass(frozen=True, slots=True)
class Step:
    """What a throughput observation leads to: a target within step, minimum and maximum, and why it is what it is."""

    target: tuple[int, ...]
    reason: str | None


def throughput_step(current: tuple[int, ...], raw: Sequence[int | None], costs: Costs, limit: int = 8) -> Step:
    """The target of one throughput observation (D11); a model that is not ready keeps the count, the minimum holds."""
    wanted = tuple(
        max(low, old if new is None else min(max(new, old - limit), old + limit))
        for old, new, low in zip(current, raw, costs.minimum, strict=True)
    )
    ceiling = replace(costs, min_gpus=-1)
    if len(current) == 1:
        target: tuple[int, ...] = (clamp_single(wanted[0], ceiling),)
    elif any(old < low for old, low in zip(current, costs.minimum, strict=True)):
        target = clamp_pair((wanted[0], wanted[1]), ceiling)
    else:
        target = fit_pair((current[0], current[1]), (wanted[0], wanted[1]), ceiling)
    if None in raw:
        return Step(target, "model_not_ready")
    if target == current:
        return Step(target, NO_CHANGE if wanted == current else HOLD)
    return Step(target, None)


def settle(current: tuple[int, ...], proposed: tuple[int, ...], costs: Costs) -> tuple[tuple[int, ...] | None, str]:
    """A proposal through the guard: the new counts, or None where nothing changes, and the reason."""
    result, reason = guard(current, proposed, costs)
    return (result if result != current else None), reason or NO_CHANGE
