"""What a surprise is worth: where the load has just left its band, the band ahead is widened at once.

Calibration promises coverage over days, and keeps it mostly in quiet minutes; in the minute after a jump far beyond
the P99 a P90 was met one time in four (servegen-m-large). So the upper half of the band is stretched by how far out the
jump was,

    stretch = 1 + STRENGTH · (surprise − 1),   surprise = (now − median) / (greatest quantile − median),

both as told one cell before, less with every cell of the horizon, and only for surprises above 1. It forgets at once:
a minute later the experts have seen the jump.
"""

from __future__ import annotations

import numpy as np

from forecasting.history import Array, Target

STRENGTH = 2.0
GREATEST = 4.0
"""Surprise beyond which nothing more is learned from it."""

REACH_CELLS = 30.0


def surprise(before: Array, now: float, target: Target) -> float:
    """How far out ``now`` is, in upper half widths of the band told ``before`` (horizons, taus); 0 if unknown."""
    middle = _middle(target)
    width = before[0, -1] - before[0, middle]
    if not (np.isfinite(now) and width > 0):
        return 0.0
    return float((now - before[0, middle]) / width)


def widened(quantiles: Array, surprised: float, target: Target) -> Array:
    """Quantiles (horizons, taus), the upper half stretched about the median by the surprise."""
    excess = min(max(surprised - 1.0, 0.0), GREATEST)
    if excess == 0.0:
        return quantiles
    ahead = np.array(target.horizons, dtype=np.float64)
    stretch = 1 + STRENGTH * excess * np.exp(-(ahead - target.horizons[0]) / REACH_CELLS)
    middle = quantiles[:, _middle(target)][:, None]
    return np.asarray(np.where(quantiles > middle, middle + (quantiles - middle) * stretch[:, None], quantiles))


def _middle(target: Target) -> int:
    return int(np.argmin(np.abs(np.array(target.taus) - 0.5)))
