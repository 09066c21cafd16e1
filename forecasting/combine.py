"""Which expert to believe: weights by measured pinball loss, equal until there is evidence.

Per (horizon, tau) each expert's loss is averaged with a half-life of a day. An expert that is ten per cent
worse than the best keeps about a twentieth of its weight once the evidence is in; a small share stays equal so
that a change of regime can be noticed.
"""

from __future__ import annotations

import numpy as np

from forecasting.history import Array

SHARPNESS = 30.0
"""How fast weight falls with relative loss: exp(−30 · 0.1) ≈ 0.05."""

UNIFORM_SHARE = 0.02
EVIDENCE = 60.0
"""Judged moments after which half of the sharpness applies."""


class Combination:
    """Weights of shape (experts, horizons, taus)."""

    def __init__(self, experts: int, horizons: int, taus: int, half_life_cells: float) -> None:
        self.loss: Array = np.zeros((experts, horizons, taus))
        self.seen: Array = np.zeros((experts, horizons, taus))
        self._forget = 1 - 0.5 ** (1 / half_life_cells)

    def learn(self, loss: Array) -> None:
        """Take one moment's pinball losses, NaN where an expert was not judged."""
        judged = np.isfinite(loss)
        rate = np.where(judged, np.maximum(self._forget, 1 / (1 + self.seen)), 0.0)
        self.loss += rate * (np.where(judged, loss, 0.0) - self.loss)
        self.seen += judged

    def start(self, loss: Array, seen: Array) -> None:
        """Begin from mean losses over ``seen`` past moments, of shape (experts, horizons)."""
        self.loss = np.where(np.isfinite(loss), loss, 0.0)
        self.seen = np.where(np.isfinite(loss), seen[..., None], 0.0)

    def weights(self, available: Array) -> Array:
        """Weights that add up to 1 over the experts; ``available`` is 1 or 0 per (expert, horizon).

        An expert that was never judged counts as the best until it is.
        """
        judged = self.seen > 0
        best = np.where(judged, self.loss, np.inf).min(axis=0)
        worse = np.where(judged, self.loss - best, 0.0) / np.maximum(best, 1e-12)
        sharpness = SHARPNESS * self.seen / (self.seen + EVIDENCE)
        raw = np.exp(-np.minimum(sharpness * worse, 50.0)) * available[..., None]
        raw = (1 - UNIFORM_SHARE) * raw / np.maximum(raw.sum(axis=0), 1e-300)
        even = available[..., None] / np.maximum(available.sum(axis=0), 1)[..., None]
        return np.asarray(raw + UNIFORM_SHARE * even, dtype=np.float64)
