"""How wrong each expert tends to be: an offset for each of its quantiles, tracked online, so that a P95 is exceeded one
time in twenty.

Everything is on the square-root scale. Each (expert, horizon, tau) keeps one offset q. When the truth arrives, one
horizon after the prediction, it is moved by the proportional and the integral term of conformal PID control
(Angelopoulos, Candès, Tibshirani, arXiv 2307.16895),

    q ← q + gain · scale · (x + INTEGRAL · excess),   x = 1[truth > quantile + q] − (1 − tau),

where ``scale`` is the mean distance of the truth from that quantile, and ``excess`` the mean of x over the last day:
what was promised and not kept is made good. A prediction or a truth that is NaN (a gap) moves nothing.
"""

from __future__ import annotations

import numpy as np

from forecasting.history import DAY_S, Array, Target

GAIN = 0.03
"""Step at the shortest horizon, in units of the error's scale."""

FIRST_GAIN = 0.5
"""Step at the first error; it falls with the 0.6th power of their number."""

INTEGRAL = 3.0
MOST_OWED = 1.0
"""Share of 1 − tau that the integral may make up for: a quantile that is not exceeded never climbs, or it would run
away with the distance that it makes itself."""

EXCESS_HALF_LIFE_S = DAY_S
SCALE_RATE = 0.002


class Calibration:
    """Tracked offsets of shape (experts, horizons, taus)."""

    def __init__(self, experts: int, target: Target, step_s: float) -> None:
        shape = (experts, len(target.horizons), len(target.taus))
        self._taus = np.array(target.taus)
        self._middle = int(np.argmin(np.abs(self._taus - 0.5)))
        # Feedback for a horizon of H cells comes H cells late and overlaps with its neighbours: smaller steps.
        self._gain = GAIN / (1 + np.array(target.horizons, dtype=np.float64) / 8)
        self._remember = 1 - 0.5 ** (step_s / EXCESS_HALF_LIFE_S)
        self.offset: Array = np.zeros(shape)
        self.excess: Array = np.zeros(shape)
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
        self.excess += self._remember * (beyond - self.excess) * valid[..., None]
        gain = valid * np.maximum(self._gain, FIRST_GAIN / (1 + self.seen) ** 0.6)
        owed = np.minimum(INTEGRAL * self.excess, MOST_OWED * (1 - self._taus)) * valid[..., None]
        self.offset += gain[..., None] * self.scale * (beyond + owed)
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
