"""The experts as a panel: what each has learned, how wrong it tends to be, and what they say together.

Raw predictions go through ``calibration``, are averaged by ``combine``, and both learn when the truth arrives. What an
expert says about the very cells that it was fitted to is never held to its credit. ``refit`` is a function from a panel
and a history to a new panel, so that it can run in another process; nothing in here knows a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from forecasting.burst import surprise, widened
from forecasting.calibration import Calibration
from forecasting.combine import Combination
from forecasting.experts import Expert, Model, installed
from forecasting.history import DAY_S, Array, History, Target

TRIAL_SHARE = 0.3
"""The end of a history on which experts are judged step by step, at most two days: those who join, before they have a
say."""

GROWN = 1.1
"""A fit is due when the history has grown by so much since the last one, or by a day."""

SOONEST_S = 1800.0


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What an expert learned, and the last cell that it learned from."""

    model: Model
    until: int


class Panel:
    """Several experts about one series."""

    def __init__(self, target: Target, step_s: float, experts: Sequence[Expert] | None = None) -> None:
        self.target, self.step_s = target, step_s
        self.experts = installed() if experts is None else tuple(experts)
        self.fits = {expert.name: Fitted({}, -(1 << 60)) for expert in self.experts if expert.needs_s == 0}
        self.tried: dict[str, int] = {}
        """By expert, the last cell of the history that it was last given to learn from, with success or without."""
        self.lived_until = -(1 << 60)
        """The last cell whose truth it has learned."""
        self.made: dict[int, Array] = {}
        """What was predicted in the latest cells (experts, horizons, taus), until its truth is known."""
        shape = (len(self.experts), len(target.horizons), len(target.taus))
        self.calibration = Calibration(len(self.experts), target, step_s)
        self.combination = Combination(*shape, half_life_cells=DAY_S / step_s)

    # --- saying ------------------------------------------------------------------------------------------------------

    def predict(self, history: History, first: int, last: int) -> Array:
        """Raw quantiles as of cells ``first`` … ``last``: (cells, experts, horizons, taus); NaN for silence."""
        shape = (last - first + 1, len(self.target.horizons), len(self.target.taus))
        said = []
        for expert in self.experts:
            fitted = self.fits.get(expert.name)
            if fitted is None:
                said.append(np.full(shape, np.nan))
            else:
                said.append(expert.predict(fitted.model, history, first, last, self.target))
        return np.stack(said, axis=1)

    def together(self, raw: Array) -> tuple[Array, Array]:
        """Quantiles (horizons, taus) of raw ones (experts, horizons, taus), and the weights used, of that shape."""
        known = np.asarray(np.isfinite(raw).all(axis=2))
        weights = self.combination.weights(known.astype(float))
        quantiles = np.where(known[..., None], raw + self.calibration.offset, 0.0)
        return np.sort((weights * quantiles).sum(axis=0), axis=1), weights

    # --- learning ----------------------------------------------------------------------------------------------------

    def learn(self, errors: Array, cell: int) -> None:
        """Take what cell ``cell`` showed: truth minus raw quantile, (experts, horizons, taus), NaN for unknown."""
        self.combination.learn(self.calibration.learn(errors))
        self.lived_until = max(self.lived_until, cell)

    def errors(self, history: History, first: int, last: int, raw: Array) -> Array:
        """What the predictions made at cells ``first`` … ``last`` got wrong, by the cell at which they were made."""
        truth = history.truth(first, last, self.target)
        errors = truth[:, None, :, None] - raw
        for i, expert in enumerate(self.experts):
            if expert.name in self.fits:
                errors[: max(0, self.fits[expert.name].until - first + 1), i] = np.nan
        return errors

    def begin(self, history: History) -> None:
        """Live through what is new of a history: all but its end at once, the end step by step."""
        split = history.last - _held(history)
        if self.lived_until < history.first:
            raw = self.predict(history, history.first, split)
            errors = self.errors(history.until(split), history.first, split, raw)
            self.combination.start(*self.calibration.start(errors))
        self.replay(history, min(max(split, self.lived_until), history.last) + 1, history.last)

    def replay(self, history: History, first: int, last: int) -> Array:
        """Live through cells ``first`` … ``last``, learning what each one brings; gives (cells, horizons, taus) roots.

        The quantiles of a cell are those that would have been told when it closed.
        """
        deepest = self.target.horizons[-1]
        raw = self.predict(history, first - deepest, last)
        errors = self.errors(history.until(last), first - deepest, last, raw)
        truth = history.until(last).truth(first - deepest, first - 1, self.target)
        for i in range(deepest):
            if first - deepest + i in self.made:
                raw[i] = self.made[first - deepest + i]
                errors[i] = truth[i, :, None] - raw[i]
        due = _by_arrival(errors, self.target)
        told = np.empty((last - first + 1, *raw.shape[2:]))
        roots = history.at(first, last)
        for i in range(len(told)):
            before = self.together(raw[i + deepest - 1])[0]
            self.learn(due[i], first + i)
            surprised = surprise(before, float(roots[i]), self.target)
            told[i] = widened(self.together(raw[i + deepest])[0], surprised, self.target)
        self.made = dict(zip(range(last - deepest + 1, last + 1), raw[-deepest:], strict=True))
        return told

    def close(self, history: History, cell: int) -> None:
        """Judge the predictions whose horizon ends with this cell, and make those of this cell."""
        shape = (len(self.experts), len(self.target.horizons), len(self.target.taus))
        errors = np.full(shape, np.nan)
        for i, horizon in enumerate(self.target.horizons):
            made = self.made.get(cell - horizon)
            if made is not None:
                errors[:, i] = history.truth(cell - horizon, cell - horizon, self.target)[0, i] - made[:, i]
        self.learn(errors, cell)
        self.made[cell] = self.predict(history, cell, cell)[0]
        for old in [c for c in self.made if c <= cell - self.target.horizons[-1]]:
            del self.made[old]

    # --- fitting -----------------------------------------------------------------------------------------------------

    def due(self, history: History) -> bool:
        """Whether a fit would be worth its time: enough history, and enough of it new."""
        length_s = len(history.roots) * self.step_s
        wanted = [e.name for e in self.experts if 0 < e.needs_s <= length_s]
        if not wanted:
            return False
        oldest = min(self.tried.get(name, history.first) for name in wanted)
        new_s = (history.last - oldest) * self.step_s
        return new_s >= min(DAY_S, max(SOONEST_S, length_s * (1 - 1 / GROWN)))

    def refit(self, history: History, seed: int = 0) -> Panel:
        """A panel whose experts have learned from ``history``; who cannot keeps what it had. The same for a seed."""
        panel = deepcopy(self)
        able = [e for e in self.experts if 0 < e.needs_s <= len(history.roots) * self.step_s]
        new = [expert for expert in able if expert.name not in self.fits]
        if new:
            panel._try(new, history, seed)
        for expert in able:
            panel._fit(expert, history, seed)
            panel.tried[expert.name] = history.last
        return panel

    def _try(self, new: Sequence[Expert], history: History, seed: int) -> None:
        """Let newcomers predict what they have not seen, so that their errors and weights are known from the start."""
        before = history.until(history.last - _held(history))
        names = {expert.name for expert in new if self._fit(expert, before, seed)}
        others = [i for i, expert in enumerate(self.experts) if expert.name not in names]
        first = before.last + 1
        raw = self.predict(history, first, history.last)
        raw[:, others] = np.nan
        due = _by_arrival(self.errors(history, first, history.last, raw), self.target, pad=True)
        for i, errors in enumerate(due):
            self.learn(errors, first + i)

    def _fit(self, expert: Expert, history: History, seed: int) -> bool:
        model = expert.fit(history, self.target, seed)
        if model is not None:
            self.fits[expert.name] = Fitted(model, history.last)
        return model is not None


def _held(history: History) -> int:
    return min(2 * history.day, int(TRIAL_SHARE * len(history.roots)))


def _by_arrival(errors: Array, target: Target, pad: bool = False) -> Array:
    """Errors by the cell in which they become known, each horizon that many cells after its prediction.

    Of (n, experts, horizons, taus) the first rows, in which not every horizon is known, are dropped, or padded by NaN.
    """
    deepest, n = target.horizons[-1], len(errors)
    if pad:
        errors = np.concatenate([np.full((deepest, *errors.shape[1:]), np.nan), errors])
        n += deepest
    parts = [errors[deepest - h : n - h, :, i] for i, h in enumerate(target.horizons)]
    return np.stack(parts, axis=2)
