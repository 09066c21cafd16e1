"""Load-duration curves: sorted, never too low, with the whole of the time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoscaler.planning.curve import curve, joined

LOADS = arrays(np.float64, st.integers(1, 300), elements=st.floats(0, 1e4))


def test_by_hand() -> None:
    made = curve(np.array([1.0, 3.0, 2.0, 3.0]))
    assert made.erlangs.tolist() == [3.0, 3.0, 2.0, 1.0] and made.share.tolist() == [0.25] * 4
    assert made.mean == 2.25 and made.scaled(2).mean == 4.5


def test_counts_apply_a_rule() -> None:
    assert curve(np.array([1.0, 2.0])).counts(lambda load: int(10 * load)).tolist() == [20, 10]


@given(LOADS)
def test_summaries_keep_the_peak_and_never_lower_the_load(loads: np.ndarray) -> None:
    made = curve(loads, points=20)
    assert made.share.sum() == pytest.approx(1)
    assert made.erlangs[0] == loads.max()
    assert made.mean >= loads.mean() - 1e-9 * max(1.0, loads.max())
    assert (np.diff(made.erlangs) <= 0).all()


@given(LOADS, LOADS, st.floats(0, 1))
def test_joined_curves_have_the_weighted_mean(one: np.ndarray, other: np.ndarray, weight: float) -> None:
    first, second = curve(one), curve(other)
    both = joined([first, second], [weight, 1 - weight])
    assert both.mean == pytest.approx(weight * first.mean + (1 - weight) * second.mean, abs=1e-6)
    assert both.share.sum() == pytest.approx(1) and (np.diff(both.erlangs) <= 0).all()
