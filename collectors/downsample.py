"""Fewer points of a series for a chart, without losing what one looks for: spikes and gaps."""

from __future__ import annotations

import math

import numpy as np

from collectors.packing import Array

Points = list[tuple[float, float | None]]
Places = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

HOLE_STEPS = 3.0
HOLE_S = 150.0
"""Rows further apart than three usual steps, and than two minutes and a half, have a hole between them."""


def thin(times: Array, values: Array, max_points: int) -> Points:
    """At most ``max_points`` (at least 3) of a series, None for gaps and for holes where no row was written.

    Each of ``max_points / 3`` stretches gives its lowest and its highest point, and one gap if it holds any.
    """
    times, values = _holes(times, values)
    if len(times) > max_points:
        chosen = _telling(values, np.linspace(0, len(times), max(1, max_points // 3) + 1).astype(np.int64))
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


def _telling(values: Array, edges: Places) -> Places:
    """Positions of the lowest and highest value and of the first gap of each stretch between two edges, in order.

    Stretches are rows of one table, the short ones with their last place twice: no loop over hundreds of them.
    """
    starts, ends = edges[:-1], edges[1:]
    places = np.minimum(starts[:, None] + np.arange(int((ends - starts).max())), ends[:, None] - 1)
    table = values[places]
    gaps = np.isnan(table)
    lowest, highest = np.where(gaps, np.inf, table).argmin(axis=1), np.where(gaps, -np.inf, table).argmax(axis=1)
    rows, known, gappy = np.arange(len(starts)), ~gaps.all(axis=1), gaps.any(axis=1)
    told = places[rows[known], lowest[known]], places[rows[known], highest[known]]
    return np.unique(np.concatenate([*told, places[rows[gappy], gaps.argmax(axis=1)[gappy]]]))
