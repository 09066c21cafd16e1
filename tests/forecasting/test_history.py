"""What an expert sees: cells, gaps, and what came after."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.history import History, Target

HISTORY = History(60.0, 10, np.array([1.0, 2.0, np.nan, 5.0, 3.0, 4.0]))


def test_outside_of_it_nothing_is_known() -> None:
    assert HISTORY.last == 15 and HISTORY.day == 1440
    assert HISTORY.at(9, 13) == pytest.approx([np.nan, 1, 2, np.nan, 5], nan_ok=True)
    assert np.isnan(HISTORY.at(100, 101)).all()
    assert HISTORY.until(11).at(10, 12) == pytest.approx([1, 2, np.nan], nan_ok=True)
    assert len(HISTORY.until(3).roots) == 0


def test_the_peak_until_a_horizon_and_the_cell_at_it() -> None:
    peak = HISTORY.truth(13, 14, Target((1, 2), (0.5,)))
    assert peak == pytest.approx(np.array([[3, 4], [4, np.nan]]), nan_ok=True)
    end = HISTORY.truth(12, 13, Target((1, 2), (0.5,), peak=False))
    assert end == pytest.approx(np.array([[5, 3], [3, 4]]))


def test_a_gap_hides_the_peak_of_every_window_that_holds_it() -> None:
    peak = HISTORY.truth(10, 12, Target((1, 3), (0.5,)))
    assert peak == pytest.approx(np.array([[2, np.nan], [np.nan, np.nan], [5, 5]]), nan_ok=True)
