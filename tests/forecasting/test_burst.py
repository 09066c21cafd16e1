"""A surprise widens what is told, at once and upwards only."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.burst import surprise, widened
from forecasting.history import Target

TARGET = Target((1, 60), (0.1, 0.5, 0.9, 0.99))
BAND = np.array([[0.9, 1.0, 1.2, 1.4], [0.8, 1.0, 1.4, 1.8]])


def test_what_was_told_is_no_surprise() -> None:
    assert surprise(BAND, 1.4, TARGET) == pytest.approx(1.0)
    assert (widened(BAND, 1.0, TARGET) == BAND).all() and (widened(BAND, -3.0, TARGET) == BAND).all()


def test_beyond_the_band_the_upper_half_is_stretched_most_where_it_is_near() -> None:
    wide = widened(BAND, surprise(BAND, 1.8, TARGET), TARGET)
    assert (wide[:, :2] == BAND[:, :2]).all()
    assert wide[0, 3] == pytest.approx(1.0 + 0.4 * 3)
    near, far = (wide[:, 3] - 1) / (BAND[:, 3] - 1)
    assert near > far > 1


def test_a_gap_or_a_band_without_width_says_nothing() -> None:
    assert surprise(BAND, float("nan"), TARGET) == 0.0
    assert surprise(np.ones((2, 4)), 5.0, TARGET) == 0.0
