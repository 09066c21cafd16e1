"""One expert on its own: its quantiles, calibrated online, and nothing else.

What it tells is compared with what the panel tells, so it has the panel's calibration and none of its other arts:
no other expert's say, and no burst detector.
"""

from __future__ import annotations

import numpy as np

from forecasting.history import Array, History
from forecasting.panel import Panel


class Alone(Panel):
    """A panel of one."""

    def replay(self, history: History, first: int, last: int) -> Array:
        """See ``Panel.replay``; NaN where the expert is silent."""
        horizons = self.target.horizons
        deepest = horizons[-1]
        raw = self.predict(history, first - deepest, last)
        errors = self.errors(history.until(last), first - deepest, last, raw)
        told = np.empty((last - first + 1, *raw.shape[2:]))
        for i in range(len(told)):
            self.learn(np.stack([errors[i + deepest - h, :, at] for at, h in enumerate(horizons)], axis=1), first + i)
            told[i] = np.sort(raw[i + deepest, 0] + self.calibration.offset[0], axis=1)
        return told
