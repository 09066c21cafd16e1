"""Minutes become offered load as requests do."""

from __future__ import annotations

import numpy as np
import pytest

from app.forecasts.kinds import Of
from app.forecasts.wanted import history_of
from forecasting.series import Series
from runtime.pool import StepTime

STEP = StepTime(16.0, 0.04, 0.06, 70.0)
SERIES = Series("chat", 3, np.array([120, np.nan, 0]), np.array([12000, np.nan, 0]), np.array([2400, np.nan, 0]))


def test_load_is_requests_a_second_times_their_work() -> None:
    history = history_of(SERIES, Of.LOAD, STEP)
    assert history.first == 3 and history.step_s == 60
    assert history.roots**2 == pytest.approx([2 * STEP.work_ms(100, 20) / 1000, np.nan, 0], nan_ok=True)


def test_columns_are_taken_as_they_are() -> None:
    assert history_of(SERIES, Of.INPUT_TOKENS, STEP).roots[0] ** 2 == pytest.approx(12000)
