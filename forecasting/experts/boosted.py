"""The expert that learns in steps: gradient-boosted trees, a direct quantile for each horizon.

Per horizon and for two or three taus, trees are fitted to the change from now by pinball loss; all other taus are put
where those of a normal distribution through them would lie. Where the linear expert sees one slope, this one sees that
a load far above its hour falls back while one a little above it rises on. It cannot say more than it has seen, so it
belongs beside the linear expert and not in its place.

A week of minutes takes 1.1 s on one core; a longer or finer history is thinned to as many samples. Fewer samples cost
more accuracy than fewer trees. A fit takes one thread: several would gain little here, and where cores are busy they
wait for each other for minutes.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from forecasting.experts.expert import Model
from forecasting.experts.trees import add_up, flatten
from forecasting.features import REACH, features
from forecasting.history import DAY_S, Array, History, Target

WINDOW_S = 7 * DAY_S
MOST = 10_080
"""Samples at most: the minutes of a week."""

LEAST_IN_LEAF = 100
FEWEST = 3 * LEAST_IN_LEAF
"""Fewest samples in which trees find anything."""

LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95
"""The taus that are fitted; of rarer ones a week has seen too little to tell them apart by trees."""


class Boosted:
    """``trees`` steps of size ``rate`` for each horizon and fitted tau."""

    name = "boosted"
    version = 1
    needs_s = 12 * 3600.0

    def __init__(self, trees: int = 25, rate: float = 0.15) -> None:
        self._trees, self._rate = trees, rate

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """See ``Expert.fit``."""
        from threadpoolctl import threadpool_limits

        back = round(WINDOW_S / history.step_s)
        first = max(history.first + min(REACH, len(history.roots) // 4), history.last - back)
        samples = history.last - first
        if samples < FEWEST:
            return None
        seen = features(history, first, history.last - 1, target)
        changes = history.truth(first, history.last - 1, target) - seen.now[:, None]
        changes[np.arange(samples) % -(-samples // MOST) != 0] = np.nan
        if np.isfinite(changes).sum(axis=0).min() < FEWEST:
            return None
        with threadpool_limits(limits=1):
            grown = [
                [self._grow(seen.at(i), changes[:, i], tau, seed) for tau in fitted_taus(target)]
                for i in range(len(target.horizons))
            ]
        return flatten(grown)

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        seen = features(history, first, last, target)
        between = _between(fitted_taus(target), target.taus)
        said = [np.sort(add_up(model, seen.at(i), i), axis=1) @ between for i in range(len(target.horizons))]
        return np.asarray(seen.now[:, None, None] + np.stack(said, axis=1), dtype=np.float64)

    def _grow(self, table: Array, change: Array, tau: float, seed: int) -> Any:
        # Loading scikit-learn takes a second, which only whoever fits should wait for.
        from sklearn.ensemble import HistGradientBoostingRegressor

        known = np.isfinite(change)
        return HistGradientBoostingRegressor(
            loss="quantile",
            quantile=tau,
            max_iter=self._trees,
            learning_rate=self._rate,
            max_leaf_nodes=12,
            min_samples_leaf=LEAST_IN_LEAF,
            max_bins=64,
            early_stopping=False,
            random_state=seed,
        ).fit(table[known], change[known])


def fitted_taus(target: Target) -> tuple[float, ...]:
    """The taus that are fitted, ascending: the low one only where something below the middle is asked for."""
    below = (LOW,) if min(target.taus) < MIDDLE else ()
    return (*below, MIDDLE, HIGH)


def _between(fitted: tuple[float, ...], wanted: tuple[float, ...]) -> Array:
    """Weights (fitted, wanted) of the straight line, in normal deviates, through the two fitted taus about each."""
    known, asked = (np.array([NormalDist().inv_cdf(tau) for tau in taus]) for taus in (fitted, wanted))
    low = np.clip(np.searchsorted(known, asked) - 1, 0, len(known) - 2)
    share = (asked - known[low]) / (known[low + 1] - known[low])
    weights = np.zeros((len(known), len(asked)))
    weights[low, np.arange(len(asked))] = 1 - share
    weights[low + 1, np.arange(len(asked))] = share
    return weights
