"""The expert that says: it will stay as it is now. Within minutes hardly anything beats it."""

from __future__ import annotations

import numpy as np

from forecasting.experts.band import around
from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target


class LastValue:
    """The present cell, for every horizon."""

    name = "last_value"
    version = 1
    needs_s = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Nothing to learn."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        now = history.at(first, last)
        return around(np.repeat(now[:, None], len(target.horizons), axis=1), history, first, last, target)
