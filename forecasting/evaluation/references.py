"""What forecasts are customarily scored against: as now (naive), and as in the same minute of the day before.

They are experts like the others, so that their errors are calibrated online in the same way and the comparison is fair.
They come without a band: all of their quantiles are the middle, and calibration puts each where the errors on the
square-root scale have been. A band that widens with the load costs the last value 5 to 9 % of loss at 5 to 60 minutes
on both ServeGen series, and a reference must not be made to lose.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target

DAYS = 7
"""Where the day before has a gap, the day before that is asked, and so on for a week."""


class Naive:
    """The present cell."""

    name = "naive"
    version = 1
    needs_s = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Nothing to learn."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        return bare(np.repeat(history.at(first, last)[:, None], len(target.horizons), axis=1), target)


class SeasonalNaive:
    """The cells of the last day at the same time, as they were."""

    name = "seasonal_naive"
    version = 1
    needs_s = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Nothing to learn."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        deepest = target.horizons[-1]
        before = np.full(last - first + deepest, np.nan)
        for back in range(history.day, (DAYS + 1) * history.day, history.day):
            before = np.where(np.isfinite(before), before, history.at(first + 1 - back, last + deepest - back))
        ahead = sliding_window_view(before, deepest)
        if target.peak:
            ahead = np.maximum.accumulate(ahead, axis=1)
        return bare(ahead[:, np.array(target.horizons) - 1], target)


def bare(middle: Array, target: Target) -> Array:
    """Guesses (n, horizons) as quantiles (n, horizons, taus) that are all the same."""
    return np.repeat(middle[..., None], len(target.taus), axis=2)
