"""The forecaster as its users see it: rises before the peak, keeps its promises, survives bad data."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.forecast import Forecast
from forecasting.forecaster import Forecaster
from tests.forecasting.series import DAY_S, MIDNIGHT_S, PEAK_S, Array, diurnal, minutes


def fed(samples: list[tuple[float, float | None]]) -> Forecaster:
    forecaster = Forecaster("chat")
    for at_s, erlangs in samples:
        forecaster.update(at_s, erlangs)
    return forecaster


def made(forecaster: Forecaster, now_s: float) -> Forecast:
    forecast = forecaster.forecast(now_s)
    assert forecast is not None
    return forecast


def loaded(days: float, **noise: float) -> tuple[Forecaster, float]:
    times = minutes(days)
    forecaster = Forecaster("chat")
    forecaster.load(times, diurnal(times, **noise))  # type: ignore[arg-type]
    return forecaster, float(times[-1])


def assert_lawful(forecast: Forecast) -> None:
    values = np.array(forecast.values)
    assert np.isfinite(values).all() and (values >= 0).all()
    assert (np.diff(values, axis=0) >= 0).all() and (np.diff(values, axis=1) >= 0).all()


def test_rises_before_a_daily_peak_that_the_present_load_does_not_show() -> None:
    forecaster, now_s = loaded(8 + (PEAK_S - 2400) / DAY_S)
    forecast = made(forecaster, now_s)
    present = diurnal(minutes(8 + (PEAK_S - 2400) / DAY_S))[-1]
    assert forecast.quantile(60, 0.5) < 1.5 * present
    assert forecast.quantile(3600, 0.5) > 2 * present
    assert "seasonal" in forecast.model


def test_coverage_is_near_nominal_on_days_it_has_not_seen() -> None:
    times = minutes(9)
    truth = diurnal(times, seed=3)
    forecaster, seen = Forecaster("chat"), 7 * 1440
    forecaster.load(times[:seen], truth[:seen])
    hits: list[Array] = []
    for i in range(seen, len(times) - 61):
        forecaster.update(times[i], truth[i])
        if i % 5 == 0:
            values = np.array(made(forecaster, times[i]).values)
            ahead = [truth[i + 1 : i + 1 + cells].max() for cells in (1, 3, 10, 60)]
            hits.append(np.array(ahead)[:, None] <= values[[1, 2, 4, 6]])
    assert np.mean(hits, axis=0)[:3] == pytest.approx(np.tile((0.5, 0.8, 0.9, 0.95, 0.99), (3, 1)), abs=0.06)
    assert np.mean(hits, axis=0)[3] == pytest.approx((0.5, 0.8, 0.9, 0.95, 0.99), abs=0.1)


def test_a_few_minutes_of_history_give_an_honest_wide_band() -> None:
    forecast = made(fed([(n * 15.0, 4.0) for n in range(8)]), 105.0)
    assert forecast.quantile(60, 0.5) == pytest.approx(4.0, rel=0.1)
    assert forecast.quantile(600, 0.95) > 5.0
    assert forecast.history_s == 105.0 and forecast.model.startswith("last_value")


def test_nothing_seen_nothing_said() -> None:
    assert Forecaster("chat").forecast(0.0) is None
    assert fed([(0.0, None)]).forecast(1.0) is None


def test_a_constant_load_becomes_a_narrow_band() -> None:
    forecaster = Forecaster("chat")
    forecaster.load(minutes(2), np.full(2880, 4.0))
    forecast = made(forecaster, MIDNIGHT_S + 2 * DAY_S)
    assert forecast.quantile(600, 0.5) == pytest.approx(4.0, rel=0.02)
    assert forecast.quantile(600, 0.99) == pytest.approx(4.0, rel=0.05)


def test_no_load_at_all_is_forecast_as_none() -> None:
    forecaster = Forecaster("chat")
    forecaster.load(minutes(2), np.zeros(2880))
    assert max(map(max, made(forecaster, MIDNIGHT_S + 2 * DAY_S).values)) == 0.0


def test_a_level_shift_is_followed_within_minutes() -> None:
    forecaster, now_s = loaded(3)
    for n in range(10):
        forecaster.update(now_s + 60 * (n + 1), 40.0)
    forecast = made(forecaster, now_s + 600)
    assert forecast.quantile(60, 0.5) == pytest.approx(40.0, rel=0.3)


def test_older_data_widen_the_band_until_nothing_is_said() -> None:
    forecaster, now_s = loaded(3)
    fresh, old = made(forecaster, now_s), made(forecaster, now_s + 900)
    assert old.quantile(60, 0.95) >= fresh.quantile(900, 0.95) * 0.9
    assert forecaster.forecast(now_s + 3601) is None


def test_a_clock_that_goes_back_is_ignored() -> None:
    steady, jumped = loaded(2)[0], loaded(2)[0]
    now_s = float(minutes(2)[-1])
    jumped.update(now_s - 7200, 99.0)
    for forecaster in (steady, jumped):
        forecaster.update(now_s + 30, 3.0)
    assert steady.forecast(now_s + 30) == jumped.forecast(now_s + 30)


def test_an_outage_in_the_history_leaves_the_bands_as_they_were() -> None:
    times = minutes(6)
    values = diurnal(times, seed=2)
    holed = np.where((np.arange(len(times)) // 700) % 5 == 4, np.nan, values)
    holed[-60:] = values[-60:]
    whole, gappy = Forecaster("chat"), Forecaster("chat")
    whole.load(times, values)
    gappy.load(times, holed)
    for tau in (0.5, 0.95):
        expected = made(whole, times[-1]).quantile(600, tau)
        assert made(gappy, times[-1]).quantile(600, tau) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_a_wrong_load_is_refused_by_name(wrong: float) -> None:
    with pytest.raises(ValueError, match="offered load of chat"):
        Forecaster("chat").update(0.0, wrong)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-200, 4000), st.none() | st.floats(0, 1e4)), min_size=1, max_size=80),
    st.floats(0, 3600),
)
def test_any_samples_give_a_lawful_forecast_or_none(steps: list[tuple[float, float | None]], later_s: float) -> None:
    times = MIDNIGHT_S + np.cumsum([gap for gap, _ in steps])
    forecaster = fed([(float(at_s), value) for at_s, (_, value) in zip(times, steps, strict=True)])
    forecast = forecaster.forecast(float(times.max()) + later_s)
    if forecast is not None:
        assert_lawful(forecast)


def test_other_horizons_and_steps() -> None:
    forecaster = Forecaster("chat", horizons_s=(5.0, 30.0), taus=(0.9,), step_s=10.0)
    for n in range(50):
        forecaster.update(10.0 * n, 2.0)
    forecast = made(forecaster, 490.0)
    assert (len(forecast.values), len(forecast.values[0])) == (2, 1)
    assert_lawful(forecast)


def test_forecasts_are_the_same_in_every_unit_and_time_zone() -> None:
    times = minutes(3)
    values = diurnal(times, seed=5)
    here, there = Forecaster("chat"), Forecaster("chat")
    here.load(times, values)
    there.load(times + 5 * 3600, 1000 * values)
    for forecaster in (here, there):
        forecaster.refit()
    expected = np.array(made(here, times[-1]).values)
    assert np.array(made(there, times[-1] + 5 * 3600).values) == pytest.approx(1000 * expected, rel=1e-6)


def test_experts_that_learned_take_over_and_the_forecast_says_so() -> None:
    forecaster, now_s = loaded(4)
    assert forecaster.due() and "linear" not in made(forecaster, now_s).model
    forecaster.refit()
    assert not forecaster.due() and "linear" in made(forecaster, now_s).model


def test_a_panel_that_was_kept_goes_on_where_it_stopped() -> None:
    times = minutes(4)
    values = diurnal(times, seed=6)
    steady, restarted = Forecaster("chat"), Forecaster("chat")
    steady.load(times[:-30], values[:-30])
    steady.refit()
    kept = deepcopy(steady.panel)
    for at_s, value in zip(times[-30:], values[-30:], strict=True):
        steady.update(at_s, value)
    restarted.load(times, values, kept)
    expected = np.array(made(steady, times[-1]).values)
    assert np.array(made(restarted, times[-1]).values) == pytest.approx(expected, rel=0.02)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1 << 16))
def test_fuzzed_days_never_raise_and_never_yield_nan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = minutes(1.2)
    values = rng.choice([diurnal(times, seed), np.zeros(len(times)), np.full(len(times), 3.0)])
    values = np.where(rng.random(len(times)) < 0.01, 1e6 * rng.random(), values)
    values = np.where(rng.random(len(times)) < rng.random() * 0.9, np.nan, values)
    forecaster = Forecaster("chat")
    forecaster.load(times, values)
    forecaster.refit()
    for at_s in times[-1] + np.cumsum(rng.uniform(-60, 200, 20)):
        forecaster.update(float(at_s), None if rng.random() < 0.2 else float(rng.choice([0.0, 2.0, 1e6])))
    forecast = forecaster.forecast(float(times[-1]) + 1800)
    if forecast is not None:
        assert_lawful(forecast)
