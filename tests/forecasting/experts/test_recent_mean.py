"""It will be as it was lately."""

from __future__ import annotations

import numpy as np

from forecasting.grid import Grid
from forecasting.recent_mean import RecentMean


def test_the_mean_of_the_known_cells_lately() -> None:
    times = np.arange(12) * 60.0
    grid = Grid.of(60.0, 30, times, np.array([50.0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 12]))
    assert RecentMean().bases(grid, 10, 11, (1, 5)).tolist() == [[1.5, 1.5], [2.6, 2.6]]


def test_one_cell_is_no_mean_and_a_gap_says_nothing() -> None:
    grid = Grid.of(60.0, 30, np.array([0.0, 600.0, 660.0]), np.array([1.0, 2.0, 4.0]))
    assert np.isnan(RecentMean().bases(grid, 0, 9, (1,))).all()
    assert RecentMean().bases(grid, 11, 11, (1,)).tolist() == [[3.0]]
