"""What a learned expert is told about an origin: where the load stands against its own near and farther past.

Everything is a root minus the root of now, or a spread, so that what is learned at one level and hour holds at others,
and so that no clock and no unit enters. A gap shows the last value before it; where no day or week before is known,
its features are zero: no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.history import Array, History, Target

MEANS = (3, 5, 10, 20, 30, 60, 180, 360)
"""Trailing windows whose means are compared with now, cells."""

REACH = MEANS[-1]
AROUND = 11
"""Cells over which the same time on an earlier day is averaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """For n origins: ``now`` (n,) the present root, NaN in a gap; ``common`` (n, f) for all horizons; ``own``
    (n, horizons, g) for each."""

    now: Array
    common: Array
    own: Array

    def at(self, horizon: int) -> Array:
        """All features for the horizon of that index, (n, f + g)."""
        return np.concatenate([self.common, self.own[:, horizon]], axis=1)


def features(history: History, first: int, last: int, target: Target) -> Features:
    """Features as of cells ``first`` … ``last``, from nothing that came after."""
    return history.view(("features", first, last, target.horizons), lambda: _features(history, first, last, target))


def _features(history: History, first: int, last: int, target: Target) -> Features:
    filled = _filled(history.at(first - REACH + 1, last))
    now = filled[REACH - 1 :]
    return Features(history.at(first, last), _common(filled, now), _own(history, first, last, target, now))


def _filled(roots: Array) -> Array:
    """Every gap as the value before it, and the first ones as the first value known; zero where nothing is."""
    known = np.isfinite(roots)
    if not known.any():
        return np.zeros(len(roots))
    before = np.maximum.accumulate(np.where(known, np.arange(len(roots)), -1))
    return np.asarray(roots[np.where(before >= 0, before, int(np.argmax(known)))], dtype=np.float64)


def _common(filled: Array, now: Array) -> Array:
    total = np.concatenate([[0.0], np.cumsum(filled)])
    end = np.arange(REACH, len(filled) + 1)
    means = [(total[end] - total[end - width]) / width - now for width in MEANS]
    ten, hour = (sliding_window_view(filled, width)[REACH - width :] for width in (10, 60))
    extremes = [ten.max(axis=1) - now, hour.max(axis=1) - now, hour.min(axis=1) - now]
    return np.stack([now, *means, *extremes, ten.std(axis=1), hour.std(axis=1)], axis=1)


def _own(history: History, first: int, last: int, target: Target, now: Array) -> Array:
    """How the load went on at this time a day and a week ago, and how far from now it stood a day ago."""
    horizons = np.array(target.horizons)
    parts = []
    for back in (history.day, 7 * history.day):
        then, after, peak = _then(history, first - back, last - back, horizons)
        parts += [after - then[:, None], peak - then[:, None]]
        if back == history.day:
            parts.append(np.repeat((then - now)[:, None], len(horizons), axis=1))
    return np.nan_to_num(np.stack(parts, axis=2))


def _then(history: History, first: int, last: int, horizons: Array) -> tuple[Array, Array, Array]:
    """About cells of an earlier day: the mean around each (n,), around each horizon later, and the peak until it."""
    half, deepest = AROUND // 2, int(horizons[-1])
    roots = history.at(first - half, last + deepest + half)
    if not np.isfinite(roots).any():
        unknown = np.full((last - first + 1, len(horizons)), np.nan)
        return unknown[:, 0], unknown, unknown
    known = np.isfinite(roots)
    count = np.convolve(known, np.ones(AROUND), "valid")
    mean = np.convolve(np.where(known, roots, 0.0), np.ones(AROUND), "valid")
    mean = np.where(count > 0, mean / np.maximum(count, 1), np.nan)
    steps = np.arange(last - first + 1)[:, None]
    ahead = sliding_window_view(roots[half + 1 : len(roots) - half], deepest)
    peaks = np.fmax.accumulate(ahead, axis=1)[:, horizons - 1]
    return mean[: len(steps)], mean[steps + horizons], peaks
