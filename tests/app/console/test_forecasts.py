"""What the forecasts page says: verdicts only where chance cannot explain it, gaps and holes stay empty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from app.api.schemas.forecasts import ForecastAccuracy, ForecastOutcome, QuantileScore
from app.console import forecasts
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import decision
from tests.app.console.fake_fleet import SERVICES
from tests.app.console.fake_forecasts import accuracy as fake_accuracy
from tests.app.console.fake_forecasts import latest

CHAT, CODE = SERVICES[:2]


def score(coverage: float | None, windows: int = 200, tau: float = 0.95) -> QuantileScore:
    expected = None if coverage is None else (0.92, 0.98)
    missed = round(windows * (1 - (coverage or 0)))
    return QuantileScore(
        tau=tau, windows=windows, missed=missed, coverage=coverage, expected=expected, loss_vs_last_value=None
    )


def outcome(at_s: float, truth: float | None, *told: float, weights: tuple[float, ...] = ()) -> ForecastOutcome:
    state = "gap" if truth is None else "known"
    return ForecastOutcome.model_validate(
        {"made_at_s": at_s, "until_s": at_s + 60, "told": told, "truth": truth, "state": state, "weights": weights}
    )


def accuracy(*outcomes: ForecastOutcome, scores: tuple[QuantileScore, ...] = ()) -> ForecastAccuracy:
    return ForecastAccuracy(
        service="s",
        start_s=NOW_S - 86400,
        end_s=NOW_S,
        lead_s=50.0,
        horizon_s=60.0,
        taus=[0.5, 0.95, 0.99],
        experts=["last_value", "boosted"],
        scores=list(scores),
        loss_vs_last_value=None,
        outcomes=list(outcomes),
    )


@pytest.mark.parametrize(
    ("coverage", "windows", "word"),
    [
        (0.95, 200, "as promised"),
        (0.91, 200, "too narrow"),
        (0.99, 200, "too wide"),
        (0.80, 19, "too few windows"),
        (None, 0, "too few windows"),
    ],
)
def test_a_verdict_is_given_where_chance_cannot_explain_it(coverage: float | None, windows: int, word: str) -> None:
    assert forecasts.verdict(score(coverage, windows)) == word
    assert forecasts.verdict(None) == "too few windows"


def test_the_headline_speaks_of_the_time_that_was_looked_at() -> None:
    whole = accuracy(outcome(NOW_S - 86000, 1, 1, 2, 3), scores=(score(0.942),))
    assert forecasts.headline(whole) == "P95 kept 94.2 % over the last day: as promised"
    short = accuracy(outcome(NOW_S - 5400, 1, 1, 2, 3), scores=(score(0.9),))
    assert forecasts.headline(short) == "P95 kept 90 % over the last 1 h 30 m: too narrow"
    few = accuracy(outcome(NOW_S - 5400, 1, 1, 2, 3), scores=(score(0.9, 5),))
    assert forecasts.headline(few).endswith("too few windows to judge")


def test_the_explanation_counts_windows_and_misses() -> None:
    found = forecasts.explanation(accuracy(scores=(score(0.9),)))
    assert "20 of 200 windows of 1 m" in found and "92 % to 98 %" in found
    assert "is judged when" in forecasts.explanation(accuracy())


def test_outcomes_are_drawn_at_the_end_of_their_window_and_misses_apart() -> None:
    frame = forecasts.outcome_frame(
        accuracy(outcome(0, 2.5, 1, 2, 3), outcome(60, 1.5, 1, 2, 3), outcome(120, None, 1, 2, 3))
    )
    assert frame["time"].tolist() == [pd.Timestamp(s, unit="s", tz="UTC") for s in (60, 120, 180)]
    assert frame["missed"].fillna(0).tolist() == [2.5, 0, 0]
    assert np.isnan(frame["came"].iloc[2]) and frame["p95"].iloc[2] == 2
    assert frame["window"].tolist() == ["known", "known", "gap"]


def test_a_hole_between_forecasts_breaks_the_band() -> None:
    times = [0, 60, 120, 180, 3600, 3660]
    frame = forecasts.outcome_frame(accuracy(*(outcome(t, 1, 1, 2, 3) for t in times)))
    assert frame["p95"].isna().tolist() == [False] * 4 + [True] + [False] * 2
    assert frame["time"].is_monotonic_increasing


def test_weights_have_a_column_per_expert_and_no_row_without_any() -> None:
    told = [outcome(0, 1, 1, 2, 3, weights=(0, 0)), outcome(60, 1, 1, 2, 3, weights=(0.25, 0.75))]
    frame = forecasts.weight_frame(accuracy(*told))
    assert list(frame.columns) == ["time", "last value", "boosted"]
    assert frame[["last value", "boosted"]].to_numpy().tolist() == [[0.25, 0.75]]


def test_nothing_at_all_makes_empty_tables_with_their_columns() -> None:
    assert forecasts.outcome_frame(accuracy()).empty
    assert list(forecasts.weight_frame(accuracy()).columns) == ["time", "last value", "boosted"]
    assert "off" in forecasts.calibration_frame(accuracy()).columns


def test_the_calibration_table_is_in_points_off_the_promise() -> None:
    row = forecasts.calibration_frame(accuracy(scores=(score(0.94),))).iloc[0]
    assert (row["quantile"], row["promised"], row["verdict"]) == ("P95", 95, "as promised")
    assert (row["off"], row["low"], row["high"]) == (pytest.approx(-1), pytest.approx(-3), pytest.approx(3))
    unknown = forecasts.calibration_frame(accuracy(scores=(score(None, 0),))).iloc[0]
    assert np.isnan(unknown["kept"]) and np.isnan(unknown["low"])


def test_tiles_say_what_is_known_and_what_is_missing() -> None:
    empty = forecasts.tiles(accuracy(), None, None)
    assert {tile.verdict for tile in empty} == {"unknown"}
    full = forecasts.tiles(fake_accuracy(CHAT, NOW_S, 86400, None), latest(CHAT, NOW_S), None)
    assert [tile.label for tile in full] == [tile.label for tile in empty]
    assert full[0].verdict == "good" and full[4].value == "1 h 15 m ago"
    failed = forecasts.model_tile(latest(CODE, NOW_S))
    assert (failed.note, failed.verdict) == ("last fit failed", "bad")


def test_the_loss_is_told_as_gain() -> None:
    assert forecasts.loss_tile(0.87).note == "13 % better"
    assert (forecasts.loss_tile(1.04).note, forecasts.loss_tile(1.04).verdict) == ("4 % worse", "warning")


def test_the_quantile_taken_is_the_newest_decisions() -> None:
    taken = forecasts.taken([decision(CHAT, NOW_S), decision(CHAT, NOW_S - 15)])
    assert taken is not None and forecasts.taken_tile(taken).note == "P95 in 4 m"
    assert forecasts.taken([]) is None


def test_words_name_the_load_to_come_and_the_loudest_expert() -> None:
    forecast = latest(CHAT, NOW_S)
    assert "P95 within 3 m (a launch)" in forecasts.fan_words(forecast, 4.0, 180.0)
    assert "load now is not known" in forecasts.fan_words(forecast, None, 180.0)
    assert forecasts.expert_words({"last_value": 0.4, "boosted": 0.6}) == "boosted speaks loudest, 60 %"
    assert forecasts.expert_words({}) == ""
    assert "remembers **10 d 10 h**" in forecasts.model_words(forecast)


def test_experts_are_listed_loudest_first() -> None:
    table = forecasts.expert_table({"last_value": 0.25, "boosted": 0.75})
    assert table.to_dict("records") == [{"expert": "boosted", "share": 75.0}, {"expert": "last value", "share": 25.0}]
