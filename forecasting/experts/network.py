"""The expert that learns from all services at once: one small residual network over the recent past.

What it is shown and what it says are in units of the series' own restlessness, so that one network serves every series.
It is a multilayer perceptron with a residual block and a straight path beside it, as TiDE's (Das et al., arXiv
2304.08424); its head gives the lowest quantile of each horizon and, by softplus, the steps up to the others, so that
they cannot cross.

torch is an extra and only needed to fit (``descent``): a model is plain arrays, and a prediction a few products of
matrices. Without torch, ``available`` says no and this expert is not among those that are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.experts.expert import Model
from forecasting.features import REACH, features
from forecasting.history import DAY_S, Array, History, Target

WINDOW_S = 7 * DAY_S
"""It learns from the last week, and restlessness is a mean over as long."""

RECENT = 10
"""Newest cells that it sees one by one; farther ones as means, by the features."""

LAG = 10
"""Restlessness is the mean distance of cells so far apart."""

CALM = 1e-6
"""Least restlessness; a constant has none."""

FARTHEST_CHANGE = 30.0
"""Of what it learns from, in units of restlessness: one spike of a million shall not be all that it remembers."""

FARTHEST_INPUT = 4.0
"""In standard deviations: what it has never seen is shown as the most extreme that it has."""

SAME = 0.05
"""An input that varied less than this carried nothing to learn from, and is not shown later either."""

FEWEST = 600
"""Fewest samples worth a network."""


def available() -> bool:
    """Whether torch is there to fit with."""
    return find_spec("torch") is not None


class Network:
    """Passes ``epochs`` times over the samples."""

    name = "network"
    version = 1
    needs_s = 12 * 3600.0

    def __init__(self, epochs: int = 12) -> None:
        self._epochs = epochs

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """See ``Expert.fit``: a network of this series alone."""
        return self.train([history], target, seed)

    def train(self, histories: Sequence[History], target: Target, seed: int) -> Model | None:
        """One network for all of these series, to be given to ``predict`` with any; None where they do not suffice."""
        from forecasting.experts.descent import descend

        parts = [_samples(history, target) for history in histories if len(history.roots) > FEWEST]
        if not parts:
            return None
        table, changes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        if np.isfinite(changes).sum(axis=0).min() < FEWEST:
            return None
        spread = table.std(axis=0)
        scaling = {
            "mean": table.mean(axis=0),
            "spread": np.where(spread > SAME, spread, np.inf),
            "reach": np.maximum(np.nanstd(changes, axis=0), 1e-3),
        }
        wanted = changes / scaling["reach"]
        return {**scaling, **descend(_scaled(table, scaling), wanted, target.taus, self._epochs, seed)}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        now, unit, table = _inputs(history, first, last, target)
        told = forward(model, _scaled(table, model), len(target.taus))
        told *= model["reach"][:, None] * unit[:, None, None]
        return now[:, None, None] + told


def forward(model: Model, table: Array, taus: int) -> Array:
    """The network's quantiles (n, horizons, taus), in units of each reach, for scaled inputs (n, inputs)."""
    hidden = np.maximum(table @ model["enter"] + model["enter_bias"], 0.0)
    hidden = hidden + np.maximum(hidden @ model["wide"] + model["wide_bias"], 0.0) @ model["back"]
    told = hidden @ model["leave"] + table @ model["straight"] + model["leave_bias"]
    told = told.reshape(len(table), -1, taus)
    told[..., 1:] = np.logaddexp(told[..., 1:], 0.0)
    return np.asarray(told.cumsum(axis=2), dtype=np.float64)


def _samples(history: History, target: Target) -> tuple[Array, Array]:
    """Inputs (n, inputs) and changes until each horizon (n, horizons), in units; NaN for what is not known."""
    back = round(WINDOW_S / history.step_s)
    first = max(history.first + min(REACH, len(history.roots) // 4), history.last - back)
    now, unit, table = _inputs(history, first, history.last - 1, target)
    changes = (history.truth(first, history.last - 1, target) - now[:, None]) / unit[:, None]
    known = np.isfinite(changes).any(axis=1)
    return table[known], np.clip(changes[known], -FARTHEST_CHANGE, FARTHEST_CHANGE)


def _inputs(history: History, first: int, last: int, target: Target) -> tuple[Array, Array, Array]:
    """For n origins: the root of now (n,), the unit (n,), and what the network is shown (n, inputs).

    All features but the first, which is the level itself: what is learned shall hold at others.
    """
    seen = features(history, first, last, target)
    unit = _restlessness(history, first, last)
    recent = sliding_window_view(history.at(first - RECENT, last - 1), RECENT) - seen.now[:, None]
    table = np.concatenate([np.nan_to_num(recent), seen.common[:, 1:], seen.own.reshape(len(recent), -1)], axis=1)
    return seen.now, unit, np.clip(table / unit[:, None], -FARTHEST_CHANGE, FARTHEST_CHANGE)


def _restlessness(history: History, first: int, last: int) -> Array:
    width = round(WINDOW_S / history.step_s)
    roots = history.at(first - width - LAG + 1, last)
    moved = np.abs(roots[LAG:] - roots[:-LAG])
    known = np.isfinite(moved)
    count = _trailing(known.astype(np.float64), width)
    return np.maximum(_trailing(np.where(known, moved, 0.0), width) / np.maximum(count, 1.0), CALM)


def _trailing(values: Array, width: int) -> Array:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[width:] - total[:-width], dtype=np.float64)


def _scaled(table: Array, scaling: Model) -> Array:
    return np.clip((table - scaling["mean"]) / scaling["spread"], -FARTHEST_INPUT, FARTHEST_INPUT)
