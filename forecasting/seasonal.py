"""The expert that says: today goes like the days before, at today's level.

The profile of a cell is the median of the same cell on up to ``DAYS`` days before, which a single odd day or
an outage does not move, smoothed over a few neighbours. It is scaled by how today compares with the profile
over the last ``LEVEL_CELLS`` cells. Gaps take no part; a guess needs at least one day of history.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.grid import Array, Grid

DAYS = 14
LEVEL_CELLS = 15
SMOOTH_CELLS = 5
LEVEL_RANGE = (0.2, 5.0)


class Seasonal:
    """The largest value of the level-corrected day profile within each horizon."""

    name = "seasonal"

    def bases(self, grid: Grid, first: int, last: int, horizons: tuple[int, ...]) -> Array:
        """See ``Expert.bases``."""
        start, end = first - LEVEL_CELLS + 1, last + horizons[-1]
        profile = _profile(grid, start, end)
        ahead = sliding_window_view(profile[LEVEL_CELLS:], horizons[-1])
        peaks = np.fmax.accumulate(ahead, axis=1)[:, np.array(horizons) - 1]
        present = grid.values(start, last)
        level = _level(present, profile[: len(present)])
        return np.asarray(peaks * level[:, None], dtype=np.float64)


def _profile(grid: Grid, first: int, last: int) -> Array:
    """Median over the days before of each cell ``first`` … ``last``, smoothed; erlangs, NaN where no day is
    known.
    """
    day = round(86400 / grid.step_s)
    pad = SMOOTH_CELLS // 2
    known_days = min(DAYS, (grid.size + last - first) // day)
    rows = [grid.values(first - pad - k * day, last + pad - k * day) for k in range(1, known_days + 1)]
    return _smooth(_median(np.stack(rows)))


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


def _level(present: Array, profile: Array) -> Array:
    """Today over profile in each trailing window of ``LEVEL_CELLS``, kept within bounds.

    A small constant on both sides keeps the ratio near 1 where the profile is near zero (a quiet night says
    little about the morning). Fewer than three cells in common say nothing: 1.
    """
    both = np.isfinite(present) & np.isfinite(profile)
    count = sliding_window_view(both, LEVEL_CELLS).sum(axis=1)
    now = sliding_window_view(np.where(both, present, 0.0), LEVEL_CELLS).sum(axis=1)
    usual = sliding_window_view(np.where(both, profile, 0.0), LEVEL_CELLS).sum(axis=1)
    calm = 1e-6 + 0.02 * LEVEL_CELLS * float(np.max(profile, where=np.isfinite(profile), initial=0.0))
    ratio = np.clip((now + calm) / (usual + calm), *LEVEL_RANGE)
    return np.where(count >= 3, ratio, 1.0)
