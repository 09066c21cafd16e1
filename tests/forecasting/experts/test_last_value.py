"""It stays as it is."""

from __future__ import annotations

import numpy as np

from forecasting.grid import Grid
from forecasting.last_value import LastValue


def test_every_horizon_gets_the_present_value_and_a_gap_stays_one() -> None:
    grid = Grid.of(60.0, 20, np.array([0.0, 60.0, 600.0]), np.array([1.0, 2.0, 3.0]))
    bases = LastValue().bases(grid, 0, 2, (1, 5))
    assert bases[:2].tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert np.isnan(bases[2]).all()
