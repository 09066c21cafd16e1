"""The band of an expert that only knows a middle: wide on purpose, until calibration has measured its errors."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from forecasting.history import Array, History, Target

SPREAD = 0.1
"""Standard deviation of the error at ten minutes, as a share of the root: a P95 of about 1.45 times the load now."""

CAUTION = 0.4
"""Standard deviations by which every quantile is shifted up: little is known, and too little costs more."""


def around(middle: Array, history: History, target: Target) -> Array:
    """Quantiles (n, horizons, taus) about guesses (n, horizons); they widen with the fourth root of the horizon."""
    ahead_s = np.array(target.horizons) * history.step_s
    normal = np.array([NormalDist().inv_cdf(tau) + CAUTION for tau in target.taus])
    width = SPREAD * (ahead_s[:, None] / 600) ** 0.25 * normal
    return np.asarray(middle[..., None] * np.maximum(1 + width, 0.0), dtype=np.float64)
