"""Days ahead: the usual hours at today's level, in a band that the past has earned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.history import Array, History
from forecasting.planning import HOUR_S, hourly, outlook
from tests.forecasting.series import MIDNIGHT_S, diurnal, minutes

TAUS = (0.5, 0.9, 0.99)
FIRST = int(MIDNIGHT_S // 60)


def history(values: Array) -> History:
    return History(60.0, FIRST, np.sqrt(values))


def test_hours_are_whole_and_a_mostly_missing_one_is_a_gap() -> None:
    roots = np.ones(185)
    roots[30] = 3.0
    roots[61:110] = np.nan
    first, peaks = hourly(History(60.0, FIRST, roots))
    assert first == MIDNIGHT_S / 3600
    assert peaks == pytest.approx([3.0, np.nan, 1.0], nan_ok=True)


def test_the_daily_peak_is_seen_days_ahead() -> None:
    times = minutes(14)
    ahead = outlook(history(diurnal(times, seed=2)), TAUS, days=7)
    assert ahead is not None and ahead.values.shape == (168, 3)
    assert ahead.start_s == MIDNIGHT_S + 14 * 86400
    middle = ahead.values[:, 0].reshape(7, 24)
    assert (np.abs(middle.argmax(axis=1) - 12) <= 1).all()


def test_a_weekly_rhythm_is_seen_after_two_weeks() -> None:
    times = minutes(21)
    sundays = ((times // 86400).astype(int) % 7) == 3
    ahead = outlook(history(np.where(sundays, 2.0, 8.0)), TAUS, days=7)
    assert ahead is not None
    days = ahead.values[::24, 0]
    quiet = int(np.argmin(days))
    assert ((ahead.start_s + quiet * 86400) // 86400) % 7 == 3 and days[quiet] < 0.75 * np.median(days)


def test_its_band_holds_what_comes_as_often_as_it_says() -> None:
    hits = []
    for seed in range(6):
        values = diurnal(minutes(18), seed=seed)
        ahead = outlook(history(values[: 14 * 1440]), TAUS, days=4)
        assert ahead is not None
        truth = values[14 * 1440 :].reshape(-1, 60).max(axis=1)
        hits.append((truth[:, None] <= ahead.values).mean(axis=0))
    assert np.mean(hits, axis=0) == pytest.approx(TAUS, abs=0.12)


def test_less_than_a_day_says_nothing_and_a_day_says_it_widely() -> None:
    assert outlook(history(np.ones(600)), TAUS) is None
    one = outlook(history(np.full(1500, 4.0)), TAUS)
    assert one is not None and one.values[0, 2] > 5


@given(st.integers(0, 1 << 16), st.floats(0, 0.9))
def test_anything_gives_lawful_quantiles(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([np.zeros(4000), rng.exponential(3, 4000), np.full(4000, 1e6)])
    values = np.where(rng.random(4000) < missing, np.nan, values)
    ahead = outlook(history(values), TAUS, days=3)
    if ahead is not None:
        assert np.isfinite(ahead.values).all() and (ahead.values >= 0).all()
        assert (np.diff(ahead.values, axis=1) >= 0).all()
        assert ahead.start_s % HOUR_S == 0
