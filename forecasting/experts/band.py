"""The band of an expert that only knows a middle: wide on purpose, until calibration has measured its errors.

Its width goes by the level of the last day, not of this minute: what calibration adds later is one number, and could
not take back a width that jumps with the load (that cost 5 to 9 % of the loss on the series measured).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from forecasting.history import Array, History, Target

SPREAD = 0.1
"""Standard deviation of the error at ten minutes, as a share of the level: a P95 of about 1.45 times the load now."""

CAUTION = 0.4
"""Standard deviations by which every quantile is shifted up: little is known, and too little costs more."""


def around(middle: Array, history: History, first: int, last: int, target: Target) -> Array:
    """Quantiles (n, horizons, taus) about guesses (n, horizons) as of cells ``first`` … ``last``.

    They widen with the fourth root of the horizon.
    """
    ahead_s = np.array(target.horizons) * history.step_s
    normal = np.array([NormalDist().inv_cdf(tau) + CAUTION for tau in target.taus])
    width = SPREAD * (ahead_s[:, None] / 600) ** 0.25 * normal
    level = history.view(("level", first, last), lambda: _level(history, first, last))
    return np.asarray(np.maximum(middle[..., None] + level[:, None, None] * width, 0.0), dtype=np.float64)


def _level(history: History, first: int, last: int) -> Array:
    """Mean root over the day before each cell, itself included; of what is known, 0 where nothing is."""
    roots = history.at(first - history.day + 1, last)
    known = np.isfinite(roots)
    total, count = (np.concatenate([[0.0], np.cumsum(part)]) for part in (np.where(known, roots, 0.0), known))
    end = np.arange(history.day, len(roots) + 1)
    return np.asarray((total[end] - total[end - history.day]) / np.maximum(count[end] - count[end - history.day], 1))
