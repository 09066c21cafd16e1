"""Known events: taken out of the history, put on what is told."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.events import Event, factor_at, factor_within, factors_at
from forecasting.forecaster import Forecaster
from tests.forecasting.series import minutes

LAUNCH = Event("launch", 1000.0, 2000.0, 3.0)
HOLIDAY = Event("holiday", 1500.0, 9000.0, 0.5)


def test_overlapping_events_multiply() -> None:
    at_s = np.array([999.0, 1000.0, 1500.0, 2000.0, 9000.0])
    assert factors_at((LAUNCH, HOLIDAY), at_s).tolist() == [1.0, 3.0, 1.5, 0.5, 1.0]
    assert [factor_at((LAUNCH, HOLIDAY), t) for t in at_s] == [1.0, 3.0, 1.5, 0.5, 1.0]


def test_the_greatest_factor_on_the_way_counts() -> None:
    assert factor_within((LAUNCH, HOLIDAY), 0.0, 999.0) == 1.0
    assert factor_within((LAUNCH, HOLIDAY), 0.0, 1000.0) == 3.0
    assert factor_within((LAUNCH, HOLIDAY), 2500.0, 3000.0) == 0.5
    assert factor_within((LAUNCH, HOLIDAY), 2500.0, 9500.0) == 1.0


def steady(days: float = 1.0, load: float = 4.0) -> tuple[Forecaster, float]:
    times, forecaster = minutes(days), Forecaster("chat")
    forecaster.load(times, np.full(len(times), load))
    return forecaster, float(times[-1])


def p95(forecaster: Forecaster, now_s: float, horizon_s: float) -> float:
    forecast = forecaster.forecast(now_s)
    assert forecast is not None
    return forecast.quantile(horizon_s, 0.95)


def test_capacity_is_asked_for_before_a_launch_and_not_earlier_than_it_takes() -> None:
    forecaster, now_s = steady()
    forecaster.expect([Event("launch", now_s + 1200, now_s + 8400, 3.0)])
    assert p95(forecaster, now_s, 600) == pytest.approx(4.0, rel=0.1)
    assert p95(forecaster, now_s, 1800) == pytest.approx(12.0, rel=0.1)


def test_a_launch_that_begins_slowly_keeps_its_capacity_for_a_while_and_then_lets_go() -> None:
    forecaster, now_s = steady()
    forecaster.expect([Event("launch", now_s + 120, now_s + 8400, 3.0)])
    told = []
    for n in range(1, 41):
        forecaster.update(now_s + 60 * n, 4.0)
        told.append(p95(forecaster, now_s + 60 * n, 60))
    assert min(told[2:14]) == pytest.approx(12.0, rel=0.1)
    assert told[-1] < 6.5


def test_an_event_leaves_no_trace_in_what_is_told_of_later_days() -> None:
    forecaster, now_s = steady()
    forecaster.expect([Event("launch", now_s + 60, now_s + 3600, 3.0)])
    for n in range(1, 121):
        forecaster.update(now_s + 60 * n, 12.0 if 1 <= n < 60 else 4.0)
    assert p95(forecaster, now_s + 7200, 3600) == pytest.approx(4.0, rel=0.15)
