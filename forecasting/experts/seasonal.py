"""The expert that says: today goes like the days before, at today's level.

The profile of a cell is the median of the same cell on up to ``DAYS`` days before, which a single odd day or
an outage does not move, smoothed over a few neighbours. It is scaled by how today compares with the profile
over the last ``LEVEL_CELLS`` cells. Gaps take no part; a guess needs at least one day of history. All of it happens on
the square-root scale.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.experts.band import around
from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target

DAYS = 14
LEVEL_CELLS = 15
SMOOTH_CELLS = 5
LEVEL_RANGE = (0.45, 2.25)


class Seasonal:
    """The level-corrected day profile at each horizon, or the largest value of it until then."""

    name = "seasonal"
    version = 1
    needs_s = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Nothing to learn: the profile is read off the history."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        start, end = first - LEVEL_CELLS + 1, last + target.horizons[-1]
        usual = profile(history, start, end)
        ahead = sliding_window_view(usual[LEVEL_CELLS:], target.horizons[-1])
        if target.peak:
            ahead = np.fmax.accumulate(ahead, axis=1)
        middle = ahead[:, np.array(target.horizons) - 1]
        present = history.at(start, last)
        level = _level(present, usual[: len(present)])
        return around(middle * level[:, None], history, first, last, target)


def profile(history: History, first: int, last: int) -> Array:
    """Median over the days before of each cell ``first`` … ``last``, smoothed; NaN where no day is known."""
    pad = SMOOTH_CELLS // 2
    days = min(DAYS, (last - history.first) // history.day)
    if days < 1:
        return np.full(last - first + 1, np.nan)
    back = [k * history.day for k in range(1, days + 1)]
    return _smooth(_median(np.stack([history.at(first - pad - k, last + pad - k) for k in back])))


def _median(days: Array) -> Array:
    """Median down the columns without the NaNs (a sort puts them last; much faster than ``nanmedian``)."""
    ordered = np.sort(days, axis=0)
    count = np.isfinite(days).sum(axis=0)
    columns = np.arange(days.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(days) - 1), columns]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _smooth(values: Array) -> Array:
    known = np.isfinite(values)
    kernel = np.ones(SMOOTH_CELLS)
    count = np.convolve(known, kernel, "valid")
    total = np.convolve(np.where(known, values, 0.0), kernel, "valid")
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _level(present: Array, usual: Array) -> Array:
    """Today over profile in each trailing window of ``LEVEL_CELLS``, kept within bounds.

    A small constant on both sides keeps the ratio near 1 where the profile is near zero (a quiet night says
    little about the morning). Fewer than three cells in common say nothing: 1.
    """
    both = np.isfinite(present) & np.isfinite(usual)
    count = sliding_window_view(both, LEVEL_CELLS).sum(axis=1)
    now = sliding_window_view(np.where(both, present, 0.0), LEVEL_CELLS).sum(axis=1)
    before = sliding_window_view(np.where(both, usual, 0.0), LEVEL_CELLS).sum(axis=1)
    calm = 1e-9 + 0.05 * LEVEL_CELLS * float(np.max(usual, where=np.isfinite(usual), initial=0.0))
    ratio = np.clip((now + calm) / (before + calm), *LEVEL_RANGE)
    return np.where(count >= 3, ratio, 1.0)
