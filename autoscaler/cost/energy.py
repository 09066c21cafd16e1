"""Joules, and what they mean: per token, in kilowatt-hours, and in grams of CO₂ by where the machines stand.

Energy is the growth of DCGM's counter between two scrapes. A counter that fell was reset (a driver reload): then, and
where a GPU has no counter, its power times the time stands in. A GPU that says neither is a gap and not a zero.
kWh = J / 3.6·10⁶; g CO₂ = kWh × PUE × the region's factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.cost.meter import Used
from collectors.observation import GpuSample

JOULES_PER_KWH = 3.6e6
MOST_WATTS = 3000.0
"""A GPU that seems to take more than this was read wrong."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Grams of CO₂ equivalent per kWh, and the power usage effectiveness of the building."""

    grams_per_kwh: float
    pue: float = 1.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Of a span. ``joules`` are those that were read, for the share ``known`` of the GPU time; the others follow from
    them. None where nothing was read.
    """

    joules: float | None
    known: float | None
    joules_per_token: float | None
    kwh_per_million_tokens: float | None
    grams_co2: float | None


def taken(before: Iterable[GpuSample], after: Iterable[GpuSample], seconds: float) -> dict[str, float]:
    """Joules by GPU between two scrapes that lie ``seconds`` apart; GPUs that do not tell are left out."""
    earlier = {(gpu.uuid, gpu.mig): gpu for gpu in before}
    found: dict[str, float] = {}
    for gpu in after:
        joules = _one(earlier.get((gpu.uuid, gpu.mig)), gpu, seconds)
        if joules is not None and 0 <= joules <= MOST_WATTS * seconds:
            found[gpu.uuid] = max(found.get(gpu.uuid, 0.0), joules)  # slices repeat the counter of their GPU
    return found


def _one(before: GpuSample | None, after: GpuSample, seconds: float) -> float | None:
    if before is not None and before.energy_joules is not None and after.energy_joules is not None:
        grown = after.energy_joules - before.energy_joules
        if grown >= 0:
            return grown
    return None if after.power_watts is None else after.power_watts * seconds


def of_gpus(joules: Mapping[str, float], gpus: Iterable[str]) -> tuple[float | None, float]:
    """What these GPUs took together, None where none of them was read, and the share of them that was."""
    wanted = list(gpus)
    known = [joules[gpu] for gpu in wanted if gpu in joules]
    return (sum(known), len(known) / len(wanted)) if known else (None, 0.0)


def energy(rows: Iterable[Used], held_ms: int, grid: Grid | None) -> Energy:
    """Of some hours whose GPUs were held for ``held_ms`` GPU-milliseconds."""
    chosen = list(rows)
    joules, read_ms = sum(row.joules for row in chosen), sum(row.joules_gpu_ms for row in chosen)
    if read_ms == 0:
        return Energy(None, 0.0 if held_ms else None, None, None, None)
    known = min(1.0, read_ms / held_ms) if held_ms else 1.0
    tokens = sum(row.input_tokens + row.output_tokens for row in chosen)
    # Where a part of the GPUs was read, they stand for the others: tokens cannot be told apart by GPU.
    whole = joules / known
    per_token = whole / tokens if tokens > 0 else None
    grams = None if grid is None else whole / JOULES_PER_KWH * grid.pue * grid.grams_per_kwh
    return Energy(joules, known, per_token, None if per_token is None else per_token * 1e6 / JOULES_PER_KWH, grams)
