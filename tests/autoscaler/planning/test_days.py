"""The coming week of a series, in replicas of the best pool."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.capacity import replicas_for
from autoscaler.planning.carry import Carried, carry
from autoscaler.planning.days import Day, week
from autoscaler.planning.traffic import of_series
from forecasting.series import Series
from tests.autoscaler.planning.cases import asked, candidate

EPOCH_MINUTE = 1_700_006_400 // 60


def daily(days: int, first: int = 0) -> Series:
    """600 to 1,800 requests a minute, with the same peak every noon; one minute is missing."""
    minute = np.arange(days * 1440)
    requests = 1200 - 600 * np.cos(2 * np.pi * minute / 1440)
    requests[100] = np.nan
    return Series("s", first, requests, 500 * requests, 100 * requests)


def ahead(series: Series) -> tuple[Carried, tuple[Day, ...]]:
    made = carry(candidate(), of_series(series, 0.0), asked())
    assert isinstance(made, Carried)
    return made, week(series, made, asked(), 0.0)


def test_a_regular_series_goes_on_as_it_was() -> None:
    carried, days = ahead(daily(10))
    peak = 30 * candidate().pool.step.work_ms(500, 100) / 1000
    assert [day.ahead for day in days] == list(range(1, 8))
    for day in days:
        assert day.erlangs["P50"] == pytest.approx(peak, rel=0.05)
        assert day.replicas["P50"] == replicas_for(day.erlangs["P50"], carried.rho)


def test_quantiles_are_in_order() -> None:
    for day in ahead(daily(4))[1]:
        assert day.erlangs["P50"] <= day.erlangs["P90"] <= day.erlangs["P99"]
        assert day.replicas["P50"] <= day.replicas["P90"] <= day.replicas["P99"]


def test_dates_where_minutes_are_wall_time() -> None:
    assert ahead(daily(2))[1][0].date is None
    assert ahead(daily(2, EPOCH_MINUTE))[1][0].date == "2023-11-17"


def test_less_than_a_day_tells_nothing() -> None:
    series = daily(1)
    short = Series("s", 0, *(x[:700] for x in (series.requests, series.input_tokens, series.output_tokens)))
    assert ahead(short)[1] == ()
