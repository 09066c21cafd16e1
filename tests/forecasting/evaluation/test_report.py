"""An evaluation: what is compared is compared fairly, and outages are not scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecasting.evaluation import outages
from forecasting.evaluation.report import COMBINED, Evaluation, Plan, TooShort, document, evaluate, training_cells
from forecasting.experts.last_value import LastValue
from forecasting.experts.seasonal import Seasonal
from forecasting.history import History
from tests.forecasting.series import diurnal, minutes

STEP_S = 600.0
DAY = 144
PLAN = Plan(horizons=(1, 3), train_days=3)


def history(days: float) -> History:
    return History(STEP_S, 0, np.sqrt(diurnal(minutes(10 * days)[: round(days * DAY)])))


def evaluated(past: History, plan: Plan = PLAN, peak: bool = False) -> Evaluation:
    return evaluate(past, (LastValue(), Seasonal()), peak, plan, lambda: 0.0)


def test_last_value_is_the_measure_and_all_are_there() -> None:
    made = evaluated(history(8))
    names = [row["forecast"] for row in made.rows]
    assert names == [COMBINED, "naive", "seasonal_naive", "last_value", "seasonal"]
    assert made.row("naive")["wql_vs_last"] == pytest.approx([1, 1])
    assert made.row("seasonal_naive")["wql_vs_seasonal"] == pytest.approx([1, 1])
    assert (made.row("naive")["scored"] == [5 * DAY - 1, 5 * DAY - 3]).all()
    assert [week["week"] for week in made.weeks] == [1, 2]
    assert [week["first_minute"] - made.first for week in made.weeks] == [0, 4 * DAY]
    simple = [made.row(name)["wql"] for name in ("naive", "seasonal_naive", "seasonal")]
    weekly = np.stack([week["wql_vs_best_simple"] for week in made.weeks])
    # The best of each week is at least as good as the best of all.
    assert (weekly.max(axis=0) >= made.row()["wql"] / np.min(simple, axis=0) - 1e-9).all()


def test_units_change_no_ratio() -> None:
    past = history(6)
    large = History(STEP_S, 0, past.roots * 1000)
    small, scaled = (evaluated(one).row() for one in (past, large))
    assert scaled["wql_vs_last"] == pytest.approx(small["wql_vs_last"], rel=1e-6)
    assert scaled["mase"] == pytest.approx(small["mase"], rel=1e-6)
    assert scaled["newsvendor"] == pytest.approx(1e6 * small["newsvendor"], rel=1e-6)


def test_the_peak_never_falls_with_the_horizon() -> None:
    made = evaluated(history(6), peak=True)
    for told in made.told.values():
        assert (np.diff(told, axis=1) >= 0).all() and (np.diff(told, axis=2) >= 0).all()


def test_outages_are_put_in_and_not_scored() -> None:
    past = history(8)
    plan = Plan(horizons=(1, 3), train_days=3, outage_seed=1)
    made = evaluated(past, plan)
    assert {one.zero for one in made.outages} == {False, True}
    for one in made.outages:
        own = made.truth[max(0, one.first - made.first - 1) : max(0, one.last + 1 - made.first)]
        assert np.isnan(own[:, 0]).all()
    np.testing.assert_array_equal(evaluated(past, plan).truth, made.truth)


def test_a_broken_series_shows_zeros_and_gaps() -> None:
    past = history(2)
    made = [outages.Outage(5, 7, zero=False), outages.Outage(7, 9, zero=True)]
    told = outages.broken(past, made)
    assert np.isnan(told.roots[5:7]).all() and (told.roots[7:10] == 0).all() and told.roots[10] == past.roots[10]
    assert np.isnan(outages.true(past, made).roots[5:10]).all()


@pytest.mark.parametrize(("days", "cells"), [(9, 3 * DAY), (3.5, 2.5 * DAY), (1.5, DAY)])
def test_how_much_is_trained_on(days: float, cells: float) -> None:
    assert training_cells(history(days), 3) == cells


def test_too_short_is_said() -> None:
    with pytest.raises(TooShort, match=r"holds 25\.0 hours; a day to train on and two hours"):
        training_cells(history(25 / 24), 7)


def test_the_document_is_json_without_nan() -> None:
    made = evaluated(history(5))
    text = json.dumps(document(made), allow_nan=False)
    told = json.loads(text)
    assert told["target"] == "end" and told["horizons_s"] == [600, 1800] and told["taus"] == [0.5, 0.8, 0.9, 0.95, 0.99]
    assert set(told["forecasts"][0]) >= {"forecast", "wql", "wql_vs_last_mean", "coverage", "newsvendor", "peak_hits"}


def test_a_horizon_beyond_the_end_scores_nothing() -> None:
    row = document(evaluated(history(1 + 3 / 24), Plan(horizons=(1, 40), train_days=1)))["forecasts"][0]
    assert row["wql"][1] is None and row["coverage"][1] == [None] * 5 and row["scored"][1] == 0


def test_outages_lie_in_the_series_after_its_first_day() -> None:
    past = history(6.3)
    for seed in range(30):
        made = outages.draw(past, seed)
        assert made == outages.draw(past, seed) and len(made) >= 2
        assert all(DAY <= one.first <= one.last <= past.last for one in made)
