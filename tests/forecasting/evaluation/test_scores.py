"""Scores against references that are slow and obvious."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.evaluation import scores
from forecasting.history import Array

TAUS = (0.5, 0.8, 0.95)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, Array]:
    """Truths (n, 2) with gaps, and ordered quantiles (n, 2, 3)."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    truth = rng.gamma(2.0, 3.0, (draw(st.integers(1, 30)), 2))
    truth[rng.random(truth.shape) < draw(st.sampled_from((0.0, 0.3)))] = np.nan
    return truth, np.sort(rng.gamma(2.0, 3.0, (*truth.shape, 3)), axis=2)


def pairs(truth: Array, told: Array, horizon: int) -> list[tuple[float, list[float]]]:
    """What came and what was told, where it is known."""
    rows = zip(truth[:, horizon].tolist(), told[:, horizon].tolist(), strict=True)
    return [(came, said) for came, said in rows if came == came]


def slow_pinball(came: float, said: float, tau: float) -> float:
    return tau * (came - said) if came > said else (1 - tau) * (said - came)


def same(value: float, reference: float | None) -> None:
    assert np.isnan(value) if reference is None else value == pytest.approx(reference)


@given(cases())
def test_quantile_loss(case: tuple[Array, Array]) -> None:
    for horizon, value in enumerate(scores.quantile_loss(*case, TAUS)):
        known = pairs(*case, horizon)
        sums = [sum(slow_pinball(came, said[i], TAUS[i]) for came, said in known) for i in (0, 2)]
        same(value, sum(sums) / 2 / sum(came for came, _ in known) if known else None)


@given(cases())
def test_coverage(case: tuple[Array, Array]) -> None:
    for horizon, values in enumerate(scores.coverage(*case)):
        known = pairs(*case, horizon)
        for i, value in enumerate(values):
            same(value, sum(came <= said[i] for came, said in known) / len(known) if known else None)


@given(cases())
def test_newsvendor_cost_is_pinball_in_units(case: tuple[Array, Array]) -> None:
    truth, told = case
    for horizon, value in enumerate(scores.newsvendor(truth, told[..., 2], 0.95)):
        known = pairs(truth, told, horizon)
        same(value, sum(slow_pinball(came, said[2], 0.95) for came, said in known) / len(known) if known else None)


@given(cases())
def test_peak_hits(case: tuple[Array, Array]) -> None:
    truth, told = case
    for horizon, value in enumerate(scores.peak_hits(truth, told[..., 2], share=0.25)):
        known = pairs(truth, told, horizon)
        level = np.quantile([came for came, _ in known], 0.75) if known else 0.0
        peaks = [came <= said[2] for came, said in known if came >= level]
        same(value, sum(peaks) / len(peaks) if peaks else None)


def test_scaled_error_is_one_for_the_last_value_one_step_ahead() -> None:
    values = np.array([3.0, 4.0, 2.0, 2.0, 5.0])
    scale = scores.naive_scale(values)
    assert scale == pytest.approx((1 + 2 + 0 + 3) / 4)
    assert scores.scaled_error(values[1:, None], values[:-1, None], scale) == pytest.approx([1.0])


def test_a_gap_has_no_part_in_the_scale() -> None:
    assert scores.naive_scale(np.array([1.0, np.nan, 9.0, 10.0])) == 1.0


def test_what_is_not_known_is_not_a_number() -> None:
    nothing = np.full((4, 1), np.nan)
    assert np.isnan(scores.peak_hits(nothing, nothing)).all()
    assert np.isnan(scores.naive_scale(np.array([5.0])))
    assert np.isnan(scores.quantile_loss(np.zeros((4, 1)), np.zeros((4, 1, 3)), TAUS)).all()
