"""The seasonal naive forecast, against which forecasts are customarily scored: as in the same minute of the day before.

It is an expert like the others, so that its errors are calibrated online like theirs and the comparison is fair.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.experts.band import around
from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target

DAYS = 7
"""Where the day before has a gap, the day before that is asked, and so on for a week."""


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
        return around(ahead[:, np.array(target.horizons) - 1], history, target)
