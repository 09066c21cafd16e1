"""How far an honest forecast strays from its own promises by chance alone, on as many minutes as were scored.

A week holds 168 windows of an hour that do not overlap and two days 48, so that even whoever knows the future's exact
distribution keeps a P99 in such a week 100 % of the time, or 98 %. What chance allows is simulated: a random walk, of
which every quantile is known exactly, is forecast from every scored minute at every horizon, with the same overlaps and
gaps. Horizons and quantiles share the walk, as they share the truth in a week that was measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from forecasting.history import Array, Target

PATHS = 100_000
"""Walks that the exact quantiles of a greatest value are taken from; their P99 is right to 0.03 points."""


def worst_misses(known: NDArray[np.bool_], target: Target, draws: int, seed: int = 0) -> Array:
    """Greatest distance between coverage and promise over all horizons and taus of ``target``, in each of ``draws``
    worlds: (draws,), as a share. ``known`` (cells, horizons) says which minutes are scored."""
    rng = np.random.default_rng(seed)
    quantiles = walk_quantiles(target, rng)
    return np.array([_worst(rng, known, target, quantiles) for _ in range(draws)])


def walk_quantiles(target: Target, rng: np.random.Generator) -> Array:
    """What a random walk of standard steps gains until each horizon, or at most until then: (horizons, taus)."""
    paths = rng.standard_normal((PATHS, target.horizons[-1]), dtype=np.float32).cumsum(axis=1)
    if target.peak:
        paths = np.maximum.accumulate(paths, axis=1)
    return np.asarray(np.quantile(paths[:, np.array(target.horizons) - 1], target.taus, axis=0).T, dtype=np.float64)


def _worst(rng: np.random.Generator, known: NDArray[np.bool_], target: Target, quantiles: Array) -> float:
    cells, taus = len(known), np.array(target.taus)
    walk, far = rng.standard_normal(cells + target.horizons[-1]).cumsum(), 0.0
    for i, horizon in enumerate(target.horizons):
        ahead = _greatest(walk, horizon) if target.peak else walk[horizon:]
        gained = (ahead[:cells] - walk[:cells])[known[:, i]]
        if len(gained):
            far = max(far, float(np.abs((gained[:, None] <= quantiles[i]).mean(axis=0) - taus).max()))
    return far


def _greatest(walk: Array, horizon: int) -> Array:
    """The greatest of the ``horizon`` values after each."""
    centred = maximum_filter1d(walk, horizon)
    return np.asarray(centred[1 + horizon // 2 :][: len(walk) - horizon])
