"""How wrong forecasts tend to be: an offset for each quantile, tracked online, so that a P95 is exceeded one time in
twenty.

Everything is on the square-root scale. Each (expert, horizon, tau) keeps one offset q. When the truth arrives, one
horizon after the prediction, it is moved as in quantile tracking (the proportional term of conformal PID control,
Angelopoulos, Candès, Tibshirani, arXiv 2307.16895),

    q ← q + gain · scale · (1[truth > quantile + q] − (1 − tau)),

where ``scale`` is the mean distance of the truth from that quantile. A prediction or a truth that is NaN (a gap) moves
nothing.

It is used twice: for each expert, before they are averaged, and for the average. Two slow layers keep promises better
than one fast one, and cost less: what an average of honest quantiles gets wrong no expert's offset can know, and an
offset in a hurry is noise in every quantile (with an integral term instead of the second layer, loss on the series
measured was up to 2 % higher, and at most horizons of half an hour and more a P90 was kept less often).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.history import Array, Target

SCALE_RATE = 0.002


@dataclass(frozen=True, slots=True)
class Pace:
    """``gain`` is the step at the shortest horizon, in units of the error's scale; ``first_gain`` that at the first
    error, falling with the 0.6th power of their number. Where ``tails`` is set, a step is taken in the proportion
    |2 tau − 1|: the median, which promises nothing, stays where it was put."""

    gain: float
    first_gain: float
    tails: bool


ALONE = Pace(0.02, 0.5, tails=False)
TOGETHER = Pace(0.01, 0.1, tails=True)
"""The average is of quantiles that have been calibrated: it needs less, and steps in its median cost most."""


class Calibration:
    """Tracked offsets of shape (experts, horizons, taus)."""

    def __init__(self, experts: int, target: Target, pace: Pace = ALONE) -> None:
        shape = (experts, len(target.horizons), len(target.taus))
        self._taus = np.array(target.taus)
        self._middle = int(np.argmin(np.abs(self._taus - 0.5)))
        # Feedback for a horizon of H cells comes H cells late and overlaps with its neighbours: smaller steps.
        self._gain = pace.gain / (1 + np.array(target.horizons, dtype=np.float64) / 8)
        self._first_gain = pace.first_gain
        self._share = np.abs(2 * self._taus - 1) if pace.tails else np.ones(len(target.taus))
        self.offset: Array = np.zeros(shape)
        self.scale: Array = np.zeros(shape)
        self.seen: Array = np.zeros(shape[:2])

    def learn(self, errors: Array) -> Array:
        """Take truth minus quantile, (experts, horizons, taus); gives the pinball loss of what had been promised.

        NaN at gaps.
        """
        valid = np.isfinite(errors[..., self._middle])
        over = errors - self.offset
        beyond = np.where(valid[..., None], (over > 0) - (1 - self._taus), 0.0)
        distance = np.where(valid[..., None], np.abs(over), 0.0)
        rate = valid * np.maximum(SCALE_RATE, 1 / (1 + self.seen))
        self.scale += rate[..., None] * (distance - self.scale)
        gain = valid * np.maximum(self._gain, self._first_gain / (1 + self.seen) ** 0.6)
        self.offset += gain[..., None] * self._share * self.scale * beyond
        self.seen += valid
        return pinball(over, self._taus)

    def start(self, errors: Array) -> tuple[Array, Array]:
        """Begin from past errors of shape (n, experts, horizons, taus).

        Gives the mean pinball loss (experts, horizons, taus), NaN where nothing is known, and the number of errors
        (experts, horizons).
        """
        self.seen = np.isfinite(errors[..., self._middle]).sum(axis=0).astype(np.float64)
        loss = np.full(self.offset.shape, np.nan)
        for expert, horizon in np.argwhere(self.seen > 0):
            known = errors[:, expert, horizon]
            known = known[np.isfinite(known[:, self._middle])]
            at = np.arange(len(self._taus))
            self.offset[expert, horizon] = np.quantile(known, self._taus, axis=0)[at, at]
            over = known - self.offset[expert, horizon]
            self.scale[expert, horizon] = np.abs(over).mean(axis=0)
            loss[expert, horizon] = pinball(over, self._taus).mean(axis=0)
        return loss, self.seen.copy()


def pinball(over: Array, taus: Array) -> Array:
    """Pinball loss of truth minus quantile; NaN stays NaN."""
    return np.maximum(taus * over, (taus - 1) * over)
