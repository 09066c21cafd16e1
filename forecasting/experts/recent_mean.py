"""The expert that says: it will be as it was lately. Where single minutes are noisy it beats the last value."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.experts.band import around
from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target

CELLS = 5


class RecentMean:
    """The mean of the last ``CELLS`` cells, for every horizon; at least two of them and the present one are needed."""

    name = "recent_mean"
    version = 1
    needs_s = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Nothing to learn."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        recent = sliding_window_view(history.at(first - CELLS + 1, last), CELLS)
        known = np.isfinite(recent)
        count = known.sum(axis=1)
        mean = np.where(known, recent, 0.0).sum(axis=1) / np.maximum(count, 1)
        mean = np.where(known[:, -1] & (count >= 2), mean, np.nan)
        return around(np.repeat(mean[:, None], len(target.horizons), axis=1), history, target)
