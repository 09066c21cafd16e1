"""It stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.experts.last_value import LastValue
from forecasting.history import History, Target

TARGET = Target((1, 5), (0.5, 0.95))


def test_every_horizon_is_about_the_present_value_and_a_gap_stays_one() -> None:
    history = History(60.0, 10, np.array([1.0, 2.0, np.nan]))
    said = LastValue().predict({}, history, 10, 12, TARGET)
    # The width goes by the mean so far: 1, then 1.5.
    assert said[1] - 2.0 == pytest.approx(1.5 * (said[0] - 1.0)) and np.isnan(said[2]).all()
    assert (said[0, :, 0] < 1.1).all() and (said[0, :, 1] > 1.1).all()
    assert said[0, 1, 1] > said[0, 0, 1]
