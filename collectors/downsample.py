"""Fewer points of a series for a chart, without losing what one looks for: spikes and gaps."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from collectors.packing import Array

Points = list[tuple[float, float | None]]

HOLE_STEPS = 3.0
HOLE_S = 150.0
"""Rows further apart than three usual steps, and than two minutes and a half, have a hole between them."""


def thin(times: Array, values: Array, max_points: int) -> Points:
    """At most ``max_points`` (at least 3) of a series, None for gaps and for holes where no row was written.

    Each of ``max_points / 3`` stretches gives its lowest and its highest point, and one gap if it holds any.
    """
    times, values = _holes(times, values)
    if len(times) > max_points:
        edges = np.linspace(0, len(times), max(1, max_points // 3) + 1).astype(int)
        chosen = np.concatenate([_telling(values, start, end) for start, end in pairwise(edges.tolist())])
        times, values = times[chosen], values[chosen]
    pairs = zip(times.tolist(), values.tolist(), strict=True)
    return [(at_s, None if math.isnan(value) else value) for at_s, value in pairs]


def _holes(times: Array, values: Array) -> tuple[Array, Array]:
    """The series with a gap put into each hole."""
    steps = np.diff(times)
    if not len(steps):
        return times, values
    usual = float(np.median(steps))
    after = np.flatnonzero(steps > max(HOLE_STEPS * usual, HOLE_S))
    return np.insert(times, after + 1, times[after] + usual), np.insert(values, after + 1, np.nan)


def _telling(values: Array, start: int, end: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Positions of the lowest and highest value and of the first gap in a stretch, in order."""
    part = values[start:end]
    gaps = np.flatnonzero(np.isnan(part))[:1]
    if np.isnan(part).all():
        return gaps + start
    return np.unique(np.concatenate([[np.nanargmin(part), np.nanargmax(part)], gaps])).astype(np.int64) + start
