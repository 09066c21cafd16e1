"""Rolling origin: what each forecast would have told, minute by minute, had it been there from the start.

Forecasts are panels (``forecasting.panel``): one with all experts, and one for each alone. All begin with the same
training part, are refitted daily, and tell quantiles at every cell after it, from nothing that came later. An expert
that stands in several panels is fitted and asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.alone import Alone
from forecasting.experts import Expert, Model
from forecasting.history import Array, History, Target
from forecasting.panel import Panel

Progress = Callable[[float], None]
"""Told which share of the work is done."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One forecast over the scored cells: ``roots`` (cells, horizons, taus), NaN where it was silent; seconds that one
    fit took on average, and one day of predictions."""

    name: str
    roots: Array
    fit_s: float
    predict_s: float


class Once:
    """An expert that does nothing twice, and is timed."""

    def __init__(self, expert: Expert, clock: Callable[[], float]) -> None:
        self._expert, self._clock = expert, clock
        self.name, self.version, self.needs_s = expert.name, expert.version, expert.needs_s
        self.fits, self.fit_s, self.predict_s = 0, 0.0, 0.0
        self._models: list[Model | None] = [{}]
        self._number: dict[tuple[int, int], int] = {}
        self._said: dict[tuple[int, ...], Array] = {}

    def __deepcopy__(self, memo: object) -> Once:
        """A panel's copies share it, since it remembers nothing that depends on them."""
        return self

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """The number of a model, as a model."""
        key = history.last, seed
        if key not in self._number:
            begun_s = self._clock()
            self._models.append(self._expert.fit(history, target, seed))
            self.fit_s += self._clock() - begun_s
            self.fits += 1
            self._number[key] = len(self._models) - 1
        number = self._number[key]
        return None if self._models[number] is None else {"number": np.array([float(number)])}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        number = int(model["number"][0]) if model else 0
        key = number, history.last, first, last
        if key not in self._said:
            learned = self._models[number]
            begun_s = self._clock()
            self._said[key] = self._expert.predict(learned or {}, history, first, last, target)
            self.predict_s += self._clock() - begun_s
        return self._said[key]

    def forget(self) -> None:
        """Free what was said."""
        self._said = {}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What is rolled: forecasts by name, over ``history``, told from cell ``first`` on."""

    history: History
    target: Target
    forecasts: Mapping[str, Sequence[Expert]]
    first: int
    seed: int = 0


def roll(run: Run, clock: Callable[[], float], progress: Progress = lambda share: None) -> list[Told]:
    """Live through the series; ``clock`` gives seconds, for the durations alone."""
    once = {id(expert): Once(expert, clock) for experts in run.forecasts.values() for expert in experts}
    members = {name: [once[id(expert)] for expert in experts] for name, experts in run.forecasts.items()}
    panels = {name: _begun(run, experts) for name, experts in members.items()}
    told: dict[str, list[Array]] = {name: [] for name in panels}
    starts = range(run.first, run.history.last + 1, run.history.day)
    for day, first in enumerate(starts):
        last = min(run.history.last, first + run.history.day - 1)
        for name, panel in panels.items():
            told[name].append(_day(panel, run.history.until(last), first, last))
            if last < run.history.last:
                panels[name] = panel.refit(run.history.until(last), run.seed)
        for expert in once.values():
            expert.forget()
        progress((day + 1) / len(starts))
    return [_told(name, told[name], members[name], len(starts)) for name in panels]


def _begun(run: Run, experts: Sequence[Once]) -> Panel:
    """A panel that lived through the training part, and is then fitted."""
    past = run.history.until(run.first - 1)
    panel = (Panel if len(experts) > 1 else Alone)(run.target, past.step_s, experts)
    panel.begin(past)
    return panel.refit(past, run.seed)


def _day(panel: Panel, history: History, first: int, last: int) -> Array:
    told = panel.replay(history, first, last)
    deepest = panel.target.horizons[-1]
    raw = panel.predict(history, first - deepest, last)[deepest:]
    silent = np.asarray(np.isnan(raw.sum(axis=3)).all(axis=1))
    return np.where(silent[..., None], np.nan, told)


def _told(name: str, days: list[Array], experts: Sequence[Once], count: int) -> Told:
    fit_s = sum(expert.fit_s / max(1, expert.fits) for expert in experts)
    return Told(name, np.concatenate(days), fit_s, sum(expert.predict_s for expert in experts) / count)
