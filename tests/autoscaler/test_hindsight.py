"""Hindsight: truths are the promised ones, gaps and open windows are not scored, scores are those of their formulas."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.hindsight import State, expected, hindsight, sample
from forecasting.forecast import Forecast
from forecasting.history import Array

START_S = 1_800_000_000.0
TAUS = (0.5, 0.95)
TICK_S = 15.0


def load(minutes: int, seed: int = 0) -> tuple[Array, Array]:
    """Ticks of a noisy load around 4 erlangs."""
    times = np.arange(minutes * 4 + 1, dtype=np.float64) * TICK_S + START_S
    return times, 4 + np.random.default_rng(seed).normal(0, 0.5, len(times))


def told(at_s: float, median: float, high: float, **changes: object) -> Forecast:
    """A forecast of two quantiles, the same at every horizon."""
    base = Forecast("chat", at_s, (60.0, 300.0), TAUS, ((median, high), (median, high)), "test", 3600.0)
    return replace(base, **changes)  # type: ignore[arg-type]


def every(minutes: int, median: float = 4.5, high: float = 5.5) -> list[Forecast]:
    return [told(START_S + 60 * i + 30, median, high) for i in range(minutes)]


def test_the_truth_is_the_greatest_minute_within_the_horizon() -> None:
    times, erlangs = load(20)
    erlangs[:] = 1.0
    erlangs[(times >= START_S + 5 * 60) & (times < START_S + 6 * 60)] = 7.0
    found = hindsight(every(10), times, erlangs, 300.0)
    # The minute under way is no part of the promise, nor is what lies beyond the horizon.
    assert [outcome.truth for outcome in found.outcomes] == pytest.approx([7.0] * 5 + [1.0] * 5)


def test_a_window_that_is_not_over_and_one_in_a_gap_are_not_scored() -> None:
    times, erlangs = load(20)
    gap = (times > START_S + 600) & (times < START_S + 900)
    found = hindsight(every(20), times, np.where(gap, np.nan, erlangs), 60.0)
    states = [outcome.state for outcome in found.outcomes]
    assert states[-1] is State.AHEAD
    assert State.GAP in states[9:15]
    assert set(states[:9]) == {State.KNOWN}
    assert found.scores[0].windows == states.count(State.KNOWN)
    assert all((outcome.truth is None) == (outcome.state is not State.KNOWN) for outcome in found.outcomes)


def test_coverage_is_the_share_of_truths_under_the_quantile() -> None:
    times, erlangs = load(120)
    found = hindsight(every(100), times, erlangs, 60.0)
    truths = np.array([outcome.truth for outcome in found.outcomes], dtype=float)
    low, high = found.scores
    assert low.coverage == pytest.approx(float((truths <= 4.5).mean()))
    assert high.missed == int((truths > 5.5).sum())
    assert low.windows == high.windows == 100


def test_the_horizon_is_the_nearest_that_was_told() -> None:
    times, erlangs = load(20)
    assert hindsight(every(5), times, erlangs, 100.0).horizon_s == 60.0
    found = hindsight(every(5), times, erlangs, 1e9)
    assert found.horizon_s == 300.0
    assert found.outcomes[0].until_s - found.outcomes[0].made_at_s == 300.0


def test_the_empirical_band_itself_scores_one() -> None:
    times, erlangs = load(200)
    erlangs[:-1:4] = erlangs[1::4] = erlangs[2::4] = erlangs[3::4]
    first = hindsight(every(150), times, erlangs, 60.0)
    before = np.array([outcome.before_erlangs for outcome in first.outcomes], dtype=float)
    truth = np.array([outcome.truth for outcome in first.outcomes], dtype=float)
    errors = np.quantile(np.sqrt(truth) - np.sqrt(before), TAUS)
    same = [
        told(outcome.made_at_s, *((math.sqrt(last) + errors) ** 2))
        for outcome, last in zip(first.outcomes, before.tolist(), strict=True)
    ]
    found = hindsight(same, times, erlangs, 60.0)
    assert found.loss_vs_last_value == pytest.approx(1.0)
    assert [score.loss_vs_last_value for score in found.scores] == [pytest.approx(1.0)] * 2


def test_knowing_the_future_beats_last_value() -> None:
    times, erlangs = load(200)
    truths = [outcome.truth or 0.0 for outcome in hindsight(every(150), times, erlangs, 60.0).outcomes]
    seer = [told(START_S + 60 * i + 30, truth, truth) for i, truth in enumerate(truths)]
    assert hindsight(seer, times, erlangs, 60.0).loss_vs_last_value == pytest.approx(0.0)


def test_few_windows_have_no_reference_and_none_no_score() -> None:
    times, erlangs = load(20)
    assert hindsight(every(10), times, erlangs, 60.0).loss_vs_last_value is None
    assert hindsight([], times, erlangs, 60.0).scores == ()
    unknown = hindsight(every(3), np.zeros(0), np.zeros(0), 60.0)
    assert [(s.windows, s.coverage, s.expected) for s in unknown.scores] == [(0, None, None)] * 2


def test_outcomes_carry_the_weights_as_told() -> None:
    times, erlangs = load(20)
    given_weights = (("last_value", 0.25), ("boosted", 0.75))
    found = hindsight([told(START_S, 4, 5, weights=given_weights)], times, erlangs, 60.0)
    assert found.outcomes[0].weights == given_weights


def test_windows_that_overlap_count_once_in_what_is_expected() -> None:
    times, erlangs = load(200)
    near, far = (hindsight(every(150), times, erlangs, horizon_s).scores[1] for horizon_s in (60.0, 300.0))
    assert near.expected is not None and far.expected is not None
    assert far.expected[0] < near.expected[0]
    assert near.expected == expected(150, 0.95) and far.expected == expected(30, 0.95)


@given(st.integers(1, 400), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_expected_range_holds_what_it_says(windows: int, tau: float) -> None:
    low, high = expected(windows, tau)
    assert 0 <= low <= high <= 1
    hits = np.random.default_rng(1).binomial(windows, tau, 4000) / windows
    assert ((hits >= low - 1e-9) & (hits <= high + 1e-9)).mean() > 0.88


@given(st.integers(0, 3000), st.integers(2, 300), st.sampled_from([5.0, 15.0, 60.0, 150.0]))
def test_a_sample_is_small_and_spread_over_all_of_it(count: int, most: int, step_s: float) -> None:
    times = (START_S + step_s * np.arange(count)).tolist()
    taken = sample(times, most)
    assert len(taken) <= most
    assert set(taken) <= set(times) and taken == sorted(set(taken))
    if count > most > 10:
        assert max(np.diff(taken)) <= 4 * (times[-1] - times[0]) / len(taken) + step_s


def test_a_sample_stays_while_time_moves_on_and_sees_every_part_of_a_minute() -> None:
    times = (START_S + TICK_S * np.arange(5760)).tolist()
    taken, later = sample(times, 300), sample([at_s + 600 for at_s in times], 300)
    assert len(set(taken) & set(later)) >= len(taken) - 4
    phases = np.unique([at_s % 60 for at_s in taken], return_counts=True)[1]
    assert len(phases) == 4 and min(phases) > len(taken) / 6
