"""The expert that says: it will be as it was lately, where lately is as long as has served best.

Exponential smoothing of the roots, level ← level + alpha · (now − level), with the alpha of ``ALPHAS`` that foretold
each horizon best, and the errors that it made then as its band. Gaps leave the level where it is.
"""

from __future__ import annotations

import numpy as np

from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target
from forecasting.jit import jit

ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)

REACH = 120
"""Cells that are remembered: after so many even the slowest alpha has forgotten all but 0.2 %."""

FEWEST = 60


class Smoothed:
    """The level, and the quantiles of how far off it has been."""

    name = "smoothed"
    version = 1
    needs_s = 2 * 3600.0

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """See ``Expert.fit``; nothing is drawn by chance."""
        first, last = history.first, history.last - 1
        truth = history.truth(first, last, target)
        if np.isfinite(truth).sum(axis=0).min() < FEWEST:
            return None
        errors = np.stack([truth - level[:, None] for level in _levels(history, first, last, ALPHAS)])
        shifted = np.abs(errors - np.nanmedian(errors, axis=1, keepdims=True))
        best = np.nanmean(shifted, axis=1).argmin(axis=0)
        at = np.arange(len(target.horizons))
        band = np.nanquantile(errors[best, :, at], target.taus, axis=1).T
        return {"alpha": np.array(ALPHAS)[best], "band": band}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        alphas, place = np.unique(model["alpha"], return_inverse=True)
        levels = np.stack(_levels(history, first, last, alphas), axis=1)[:, place]
        return np.asarray(levels[..., None] + model["band"])


def _levels(history: History, first: int, last: int, alphas: Array | tuple[float, ...]) -> list[Array]:
    """The level of each alpha as of cells ``first`` … ``last``; NaN in a gap."""
    roots = np.ascontiguousarray(history.at(first - REACH, last))
    return list(_smoothed(roots, np.asarray(alphas))[:, REACH:])


@jit
def _smoothed(roots: Array, alphas: Array) -> Array:
    """One level per alpha and cell, begun at the first that is known: (alphas, cells)."""
    levels = np.full((len(alphas), len(roots)), np.nan)
    for row, alpha in enumerate(alphas):
        level = np.nan
        for cell, root in enumerate(roots):
            if np.isfinite(root):
                level = root if np.isnan(level) else alpha * root + (1 - alpha) * level
                levels[row, cell] = level
    return levels
