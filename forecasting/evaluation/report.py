"""One series, evaluated: every expert alone and all together, against last value and seasonal naive, in numbers.

Both references get the same calibrated error quantiles as everybody else. Whatever is compared is compared on the same
cells: those whose truth is known, at which both references and the forecast itself had something to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.evaluation import outages, scores
from forecasting.evaluation.references import Naive, SeasonalNaive
from forecasting.evaluation.rolling import Progress, Run, Told, roll
from forecasting.experts import Expert
from forecasting.experts.seasonal import Seasonal
from forecasting.history import Array, History, Target

COMBINED = "combined"
LAST, SEASONAL = Naive.name, SeasonalNaive.name
HORIZONS = (1, 5, 10, 15, 30, 60)
TAUS = (0.5, 0.8, 0.9, 0.95, 0.99)
WEEK_DAYS = 7
NEAR_S = 300.0
"""Means over horizons leave out those that are nearer: within a minute or two the last value is the forecast."""

Row = dict[str, Any]


class TooShort(ValueError):
    """A series that cannot be trained on and scored."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to evaluate. ``horizons`` in cells; ``tau`` is the quantile that capacity is held for; outages are put in
    where ``outage_seed`` is given."""

    horizons: tuple[int, ...] = HORIZONS
    taus: tuple[float, ...] = TAUS
    train_days: float = 7.0
    tau: float = 0.95
    outage_seed: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came, what was told, and the scores. ``truth`` (cells, horizons) and each of ``told`` (cells, horizons,
    taus) are in the series' unit, as of cell ``first`` on; a NaN truth is not scored."""

    plan: Plan
    peak: bool
    step_s: float
    first: int
    truth: Array
    told: Mapping[str, Array]
    rows: Sequence[Row]
    weeks: Sequence[Row]
    outages: Sequence[outages.Outage] = ()

    def row(self, name: str = COMBINED) -> Row:
        """The scores of that forecast."""
        return next(row for row in self.rows if row["forecast"] == name)


def training_cells(history: History, days: float) -> int:
    """Cells to train on: so many days; fewer where less than a day would be left to score, but a day at least.

    Raises TooShort where less than two hours would be left to score.
    """
    hour = round(3600 / history.step_s)
    cells = max(history.day, min(round(days * history.day), len(history.roots) - history.day))
    if len(history.roots) < cells + 2 * hour:
        has = len(history.roots) / hour
        raise TooShort(f"holds {has:.1f} hours; a day to train on and two hours to score are needed")
    return cells


def evaluate(
    history: History,
    experts: Sequence[Expert],
    peak: bool,
    plan: Plan,
    clock: Callable[[], float],
    progress: Progress = lambda share: None,
) -> Evaluation:
    """Roll and score. Raises TooShort."""
    first = history.first + training_cells(history, plan.train_days)
    made = [] if plan.outage_seed is None else outages.draw(history, plan.outage_seed)
    target = Target(plan.horizons, plan.taus, peak)
    run = Run(outages.broken(history, made), target, line_up(experts), first, plan.seed)
    told = roll(run, clock, progress)
    return score(outages.true(history, made), told, target, plan, first, made)


def line_up(experts: Sequence[Expert]) -> dict[str, Sequence[Expert]]:
    """All together, and each alone; both references are among them."""
    references: tuple[Expert, ...] = (Naive(), SeasonalNaive())
    alone = {expert.name: expert for expert in (*references, *experts)}
    return {COMBINED: tuple(experts), **{name: (expert,) for name, expert in alone.items()}}


def score(
    history: History, told: Sequence[Told], target: Target, plan: Plan, first: int, made: Sequence[outages.Outage] = ()
) -> Evaluation:
    """Score what was told, references included, from cell ``first`` of the true history on."""
    now = history.at(first, history.last)
    truth = np.where(np.isfinite(now)[:, None], history.truth(first, history.last, target) ** 2, np.nan)
    values = {one.name: _values(one.roots, target.peak) for one in told}
    both = np.isfinite(values[LAST]).all(axis=2) & np.isfinite(values[SEASONAL]).all(axis=2)
    truth = np.where(both, truth, np.nan)
    scale = scores.naive_scale(history.until(first - 1).roots ** 2)
    rows = [_row(one, truth, values, target, plan, scale) for one in told]
    weeks = _weeks(history, truth, values, target, first)
    return Evaluation(plan, target.peak, history.step_s, first, truth, values, rows, weeks, made)


def _values(roots: Array, peak: bool) -> Array:
    """Roots as values, ordered as a forecast promises: by quantile, and for the maximum by horizon."""
    values = np.maximum.accumulate(np.maximum(roots, 0.0) ** 2, axis=2)
    return np.maximum.accumulate(values, axis=1) if peak else values


def _row(one: Told, truth: Array, values: Mapping[str, Array], target: Target, plan: Plan, scale: float) -> Row:
    mine = values[one.name]
    truth = np.where(np.isfinite(mine).all(axis=2), truth, np.nan)
    losses = {name: scores.quantile_loss(truth, values[name], target.taus) for name in (one.name, LAST, SEASONAL)}
    held = int(np.argmin(np.abs(np.array(target.taus) - plan.tau)))
    middle = int(np.argmin(np.abs(np.array(target.taus) - 0.5)))
    costs = {name: scores.newsvendor(truth, values[name][..., held], plan.tau) for name in (one.name, LAST)}
    return {
        "forecast": one.name,
        "scored": np.isfinite(truth).sum(axis=0),
        "wql": losses[one.name],
        "wql_vs_last": scores.ratio(losses[one.name], losses[LAST]),
        "wql_vs_seasonal": scores.ratio(losses[one.name], losses[SEASONAL]),
        "mase": scores.scaled_error(truth, mine[..., middle], scale),
        "coverage": scores.coverage(truth, mine),
        "newsvendor": costs[one.name],
        "newsvendor_vs_last": scores.ratio(costs[one.name], costs[LAST]),
        "peak_hits": scores.peak_hits(truth, mine[..., held]),
        "fit_s": one.fit_s,
        "predict_s": one.predict_s,
    }


def _weeks(history: History, truth: Array, values: Mapping[str, Array], target: Target, first: int) -> list[Row]:
    """All together in every week of the series of which a day or more is scored: coverage, and loss relative to
    whichever of last value, seasonal naive and the seasonal profile did best at that horizon in that week."""
    if COMBINED not in values:
        return []
    simple = [name for name in (LAST, SEASONAL, Seasonal.name) if name in values]
    cells = np.arange(first, first + len(truth)) - history.first
    week, rows = cells // (WEEK_DAYS * history.day), []
    for number in np.unique(week):
        own = week == number
        if own.sum() >= history.day:
            came, mine = truth[own], values[COMBINED][own]
            lost = [scores.quantile_loss(came, values[name][own], target.taus) for name in simple]
            relative = scores.ratio(scores.quantile_loss(came, mine, target.taus), np.min(lost, axis=0))
            row = {"week": int(number) + 1, "days": float(own.sum() / history.day)}
            row["first_minute"] = int(first + np.argmax(own))
            rows.append(row | {"coverage": scores.coverage(came, mine), "wql_vs_best_simple": relative})
    return rows


def near_mean(evaluation: Evaluation, figures: Array) -> float:
    """Mean of a figure (horizons,) over the horizons of five minutes and more."""
    far = np.array(evaluation.plan.horizons) * evaluation.step_s >= NEAR_S
    return float(np.mean(figures[far])) if far.any() else float("nan")


def document(evaluation: Evaluation) -> Row:
    """As JSON holds it: shares from 0 to 1, seconds, the series' unit; lists by horizon (and by quantile)."""
    plan = evaluation.plan
    means = ("wql_vs_last", "wql_vs_seasonal", "newsvendor_vs_last")
    rows = [row | {f"{key}_mean": near_mean(evaluation, row[key]) for key in means} for row in evaluation.rows]
    said: Row = {
        "target": "peak" if evaluation.peak else "end",
        "step_s": evaluation.step_s,
        "horizons_s": [cells * evaluation.step_s for cells in plan.horizons],
        "taus": list(plan.taus),
        "newsvendor_tau": plan.tau,
        "scored_from_minute": evaluation.first,
        "forecasts": rows,
        "weeks": list(evaluation.weeks),
        "outages": [
            {"first_minute": one.first, "last_minute": one.last, "told_as": "zero" if one.zero else "nothing"}
            for one in evaluation.outages
        ],
    }
    plain = _plain(said)
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any) -> Any:
    """Arrays as lists, and what is not a number as null."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
