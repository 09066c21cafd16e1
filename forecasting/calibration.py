"""How wrong each expert tends to be: quantiles of its error, tracked online, so that a P95 is exceeded one
time in twenty.

The error of a guess is ``sqrt(what came) − sqrt(guess)``: on the square-root scale counts have about the same
spread at every level, and an outage does not explode as it does in logarithms. Each (expert, horizon, tau)
keeps one number q, moved by the proportional term of conformal PID control (Angelopoulos, Candès, Tibshirani,
arXiv 2307.16895),

    q ← q + gain · scale · (1[error > q] − (1 − tau)),

when the truth arrives, one horizon after the guess. An error that is NaN (a gap) moves nothing. Until enough
has been seen, q leans on a deliberately wide prior.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from forecasting.grid import Array

PRIOR_SPREAD = 0.1
"""Standard deviation of the error at ten minutes, in square roots of the load: a P95 of about 1.45 times the
load now.
"""

GAIN = 0.1
"""Step at the shortest horizon, in units of the error's scale."""


class Calibration:
    """Tracked error quantiles ``q`` of shape (experts, horizons, taus), on the square-root scale."""

    def __init__(self, experts: int, horizons: tuple[int, ...], step_s: float, taus: tuple[float, ...]) -> None:
        self._taus = np.array(taus)
        cells = np.array(horizons, dtype=np.float64)
        # Feedback for a horizon of H cells comes H cells late and overlaps with its neighbours: smaller
        # steps.
        self._gain = GAIN / (1 + cells / 8)
        self._patience = 20 + 2 * cells
        normal = np.array([NormalDist().inv_cdf(tau) + 0.4 for tau in taus])
        self._prior = PRIOR_SPREAD * (cells[:, None] * step_s / 600) ** 0.25 * normal
        self._q: Array = np.zeros((experts, len(horizons), len(taus)))
        self._scale: Array = np.zeros((experts, len(horizons)))
        self._seen: Array = np.zeros((experts, len(horizons)))

    def quantiles(self, bases: Array) -> Array:
        """Quantiles on the square-root scale for guesses of shape (experts, horizons), erlangs; NaN where the
        guess is.
        """
        root = np.sqrt(bases)[..., None]
        trust = (self._seen / (self._seen + self._patience))[..., None]
        return np.asarray(root + trust * self._q + (1 - trust) * self._prior * root, dtype=np.float64)

    def learn(self, errors: Array) -> Array:
        """Take errors of shape (experts, horizons); gives each q's pinball loss before it moved, NaN at gaps."""
        valid = np.isfinite(errors)
        over = errors[..., None] - self._q
        loss = pinball(over, self._taus)
        distance = np.where(valid, np.abs(errors), 0.0)
        rate = np.where(valid, np.maximum(0.01, 1 / (1 + self._seen)), 0.0)
        self._scale += rate * (distance - self._scale)
        gain = np.maximum(self._gain, 0.7 / (1 + self._seen) ** 0.6) * self._scale * valid
        self._q += gain[..., None] * ((over > 0) - (1 - self._taus))
        self._seen += valid
        return loss

    def start(self, errors: Array) -> tuple[Array, Array]:
        """Begin from past errors of shape (n, experts, horizons).

        Gives the mean pinball loss, NaN where nothing is known, and the number of errors per (expert, horizon).
        """
        self._seen = np.isfinite(errors).sum(axis=0).astype(np.float64)
        loss = np.full(self._q.shape, np.nan)
        for expert, horizon in np.argwhere(self._seen > 0):
            known = errors[:, expert, horizon]
            known = known[np.isfinite(known)]
            self._q[expert, horizon] = np.quantile(known, self._taus)
            self._scale[expert, horizon] = np.abs(known).mean()
            over = known[:, None] - self._q[expert, horizon]
            loss[expert, horizon] = pinball(over, self._taus).mean(axis=0)
        return loss, self._seen.copy()


def pinball(over: Array, taus: Array) -> Array:
    """Pinball loss of truth minus quantile; NaN stays NaN."""
    return np.maximum(taus * over, (taus - 1) * over)
