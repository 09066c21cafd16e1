"""Rolling origins: nothing from the future, nothing done twice."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from forecasting.evaluation.references import Naive, SeasonalNaive
from forecasting.evaluation.rolling import Once, Run, Told, roll
from forecasting.experts.expert import Model
from forecasting.experts.last_value import LastValue
from forecasting.experts.linear import Linear
from forecasting.history import Array, History, Target
from tests.forecasting.series import diurnal, minutes

TARGET = Target((1, 10), (0.5, 0.9), peak=False)
STEP_S = 600.0
DAY = 144


def history(days: float) -> History:
    times = minutes(days * 10)[: round(days * DAY)]
    return History(STEP_S, 0, np.sqrt(diurnal(times)))


def rolled(run: Run) -> dict[str, Told]:
    ticks = count()
    return {told.name: told for told in roll(run, lambda: float(next(ticks)))}


def run(past: History) -> Run:
    linear = Linear()
    return Run(past, TARGET, {"both": (LastValue(), linear), "linear": (linear,)}, first=2 * DAY)


def test_the_future_changes_nothing() -> None:
    past = history(5)
    changed = past.roots.copy()
    changed[4 * DAY :] = 9.0
    before, after = rolled(run(past)), rolled(run(History(STEP_S, 0, changed)))
    for name in before:
        told = before[name].roots[: 2 * DAY]
        assert np.isfinite(told).all() and told.shape == (2 * DAY, 2, 2)
        assert np.array_equal(told, after[name].roots[: 2 * DAY])


def test_every_cell_of_the_test_is_told_and_progress_ends_at_all() -> None:
    shares: list[float] = []
    told = roll(run(history(3.5)), lambda: 0.0, shares.append)
    assert [len(one.roots) for one in told] == [1.5 * DAY] * 2
    assert shares == [0.5, 1.0]


class Counted:
    """An expert that counts."""

    name, version, needs_s = "counted", 1, 3600.0

    def __init__(self) -> None:
        self.fitted = self.asked = 0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        self.fitted += 1
        return {"level": history.at(history.last, history.last)}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        self.asked += 1
        return np.full((last - first + 1, len(target.horizons), len(target.taus)), model["level"][0])


def test_an_expert_of_several_panels_is_fitted_once_a_day() -> None:
    counted = Counted()
    alone, both = (counted,), (LastValue(), counted)
    told = rolled(Run(history(4), TARGET, {"alone": alone, "both": both, "again": alone}, first=2 * DAY))
    # On trial, then on the whole training part, then after the first of the two days.
    assert counted.fitted == 3
    assert np.array_equal(told["alone"].roots, told["again"].roots)
    assert told["alone"].fit_s == 1.0 and told["alone"].predict_s == pytest.approx(told["again"].predict_s)


def test_once_remembers_who_said_what() -> None:
    past = history(4)
    once = Once(Linear(), lambda: 0.0)
    early, late = (once.fit(past.until(last), TARGET, 0) for last in (2 * DAY, 4 * DAY - 1))
    assert early is not None and late is not None
    said = [once.predict(model, past, DAY, DAY + 9, TARGET) for model in (early, late, early)]
    assert np.array_equal(said[0], said[2]) and not np.array_equal(said[0], said[1])


def test_silence_is_no_number() -> None:
    past = history(4)
    roots = past.roots.copy()
    roots[3 * DAY : 3 * DAY + 5] = np.nan
    told = rolled(Run(History(STEP_S, 0, roots), TARGET, {"last_value": (LastValue(),)}, first=2 * DAY))
    silent = np.isnan(told["last_value"].roots).all(axis=(1, 2))
    assert np.flatnonzero(silent).tolist() == list(range(DAY, DAY + 5))


def test_seasonal_naive_is_the_day_before_or_the_last_one_known() -> None:
    values = np.arange(3.0 * DAY)
    values[2 * DAY - 3] = np.nan
    past = History(STEP_S, 0, values)
    said = SeasonalNaive().predict({}, past, 3 * DAY - 4, 3 * DAY - 4, Target((1, 2), (0.5,), peak=False))[0, :, 0]
    # The day before is a gap at the first horizon: the day before that.
    assert said.tolist() == [DAY - 3, 2 * DAY - 2]
    peak = SeasonalNaive().predict({}, past, 3 * DAY - 4, 3 * DAY - 4, Target((1, 2), (0.5,)))[0, :, 0]
    assert peak.tolist() == said.tolist()


def test_references_have_no_band_of_their_own() -> None:
    past = history(3)
    for reference in (Naive(), SeasonalNaive()):
        said = reference.predict({}, past, 2 * DAY, 2 * DAY + 5, TARGET)
        assert said.shape == (6, 2, 2) and (said[..., 0] == said[..., 1]).all()
    assert Naive().predict({}, past, 7, 8, TARGET)[:, 1, 0].tolist() == past.at(7, 8).tolist()
