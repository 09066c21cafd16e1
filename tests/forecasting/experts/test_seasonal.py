"""Today goes like the days before, at today's level."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.experts.seasonal import Seasonal
from forecasting.grid import Grid
from forecasting.history import Array, Target
from tests.forecasting.series import DAY_S, PEAK_S, diurnal, minutes

SIZE = 15 * 1440


def guess(times: Array, values: Array, at_s: float, horizon: int) -> float:
    known = times <= at_s
    grid = Grid.of(60.0, SIZE, times[known], values[known])
    history = grid.history()
    said = Seasonal().predict({}, history, history.last, history.last, Target((1, horizon), (0.345,)))
    return float(said[0, 1, 0] ** 2)  # where the band about a middle, shifted up by 0.4 deviations, has its middle


def days(count: int) -> tuple[Array, Array, float]:
    """A clean history and the time 20 minutes before the last day's peak."""
    times = minutes(count)
    return times, diurnal(times, noise=0.0), times[0] + (count - 1) * DAY_S + PEAK_S - 1200


def test_needs_a_day() -> None:
    times, values, _ = days(2)
    assert np.isnan(guess(times, values, times[0] + 43_200, 30))


def test_sees_the_peak_coming() -> None:
    times, values, at_s = days(6)
    assert guess(times, values, at_s, 30) == pytest.approx(values[times > at_s][:30].max(), rel=0.1)


def test_one_odd_day_and_an_outage_do_not_move_it() -> None:
    times, values, at_s = days(6)
    usual = guess(times, values, at_s, 30)
    values[1440:2880] *= 10
    values[2880 + 600 : 2880 + 900] = np.nan
    assert guess(times, values, at_s, 30) == pytest.approx(usual, rel=0.1)


def test_follows_todays_level() -> None:
    times, values, at_s = days(6)
    usual = guess(times, values, at_s, 30)
    values[5 * 1440 :] *= 1.5
    assert guess(times, values, at_s, 30) == pytest.approx(1.5 * usual, rel=0.05)


def test_zeros_stay_zeros() -> None:
    times = minutes(3)
    assert guess(times, np.zeros(len(times)), times[-1], 30) == 0.0
