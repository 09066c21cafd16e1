"""The expert that learns a straight line: ridge regression for the middle, another one for the width.

Per horizon, the change from now is regressed on the features, then the logarithm of what is left over on the same
features; the quantiles are those of the left-overs divided by their width, put back on. It is fitted in milliseconds,
needs little history, and cannot be thrown far by a load it has never seen.
"""

from __future__ import annotations

import numpy as np

from forecasting.experts.expert import Model
from forecasting.features import REACH, features
from forecasting.history import Array, History, Target

RIDGE = 1000.0
"""Weight of the penalty, in samples; minutes that follow one another say much the same."""

FEWEST = 120
"""Fewest samples that a line is drawn through."""


class Linear:
    """Middle and width, each linear in the features."""

    name = "linear"
    version = 1
    needs_s = 3 * 3600.0

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """See ``Expert.fit``; nothing is drawn by chance."""
        first, last = history.first + min(REACH, len(history.roots) // 4), history.last - 1
        if last - first < FEWEST:
            return None
        seen, truth = features(history, first, last, target), history.truth(first, last, target)
        lines = [_line(seen.at(i), truth[:, i] - seen.now, target.taus) for i in range(len(target.horizons))]
        if any(line is None for line in lines):
            return None
        known = [line for line in lines if line is not None]
        return {name: np.stack([line[name] for line in known]) for name in known[0]}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        seen = features(history, first, last, target)
        parts = []
        for i in range(len(target.horizons)):
            table = (seen.at(i) - model["mean"][i]) / model["spread"][i]
            middle = seen.now + model["middle"][i, 0] + table @ model["middle"][i, 1:]
            width = np.exp(np.clip(model["width"][i, 0] + table @ model["width"][i, 1:], *model["bounds"][i]))
            parts.append(middle[:, None] + width[:, None] * model["quantiles"][i])
        return np.stack(parts, axis=1)


def _line(table: Array, change: Array, taus: tuple[float, ...]) -> Model | None:
    known = np.isfinite(change)
    if known.sum() < FEWEST:
        return None
    table, change = table[known], change[known]
    mean, spread = table.mean(axis=0), table.std(axis=0)
    spread = np.where(spread > 1e-9 * (1e-300 + np.abs(table).max()), spread, np.inf)
    table = (table - mean) / spread
    gram = table.T @ table + RIDGE * np.eye(table.shape[1])
    middle, fitted = _ridge(gram, table, change)
    left = change - fitted
    floor = 0.01 * np.abs(left).mean() + 1e-9
    width, fitted = _ridge(gram, table, np.log(np.abs(left) + floor))
    bounds = np.quantile(fitted, (0.01, 0.99))
    quantiles = np.quantile(left / np.exp(np.clip(fitted, *bounds)), taus)
    names = ("mean", "spread", "middle", "width", "bounds", "quantiles")
    return dict(zip(names, (mean, spread, middle, width, bounds, quantiles), strict=True))


def _ridge(gram: Array, table: Array, wanted: Array) -> tuple[Array, Array]:
    """Intercept and slopes, and the fitted values."""
    slopes = np.linalg.solve(gram, table.T @ (wanted - wanted.mean()))
    return np.concatenate([[wanted.mean()], slopes]), wanted.mean() + table @ slopes
