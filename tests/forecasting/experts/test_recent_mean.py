"""It will be as it was lately."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.experts.last_value import LastValue
from forecasting.experts.recent_mean import RecentMean
from forecasting.history import Array, History, Target

TARGET = Target((1, 5), (0.5, 0.95))


def said(roots: list[float], first: int, last: int) -> Array:
    return RecentMean().predict({}, History(60.0, 0, np.array(roots)), first, last, TARGET)


def test_it_is_the_band_about_the_mean_of_the_known_cells_lately() -> None:
    about_mean = LastValue().predict({}, History(60.0, 0, np.array([1.6, 3.5])), 0, 1, TARGET)
    assert said([50, 1, 2, np.nan, 1, 2, 2, 9, 0, 3, 3.5], 6, 6) == pytest.approx(about_mean[:1] * 1.75 / 1.6)
    assert said([50, 1, 2, 1, 2, 2, 9, 0, 3, 3.5], 5, 5) == pytest.approx(about_mean[:1])


def test_one_cell_is_no_mean_and_a_gap_says_nothing() -> None:
    assert np.isnan(said([1.0], 0, 0)).all()
    assert np.isnan(said([1.0, 1.0, np.nan], 2, 2)).all()
