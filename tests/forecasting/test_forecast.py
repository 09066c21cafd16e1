"""A quantile is read off between horizons and quantiles as NumPy would, asking for two values instead of all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.forecast import Forecast, interpolated

NUMBERS = st.floats(-1e6, 1e6)
KNOTS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=8, unique=True).map(sorted)


@given(KNOTS, st.data())
def test_between_two_knots_it_is_numpys(knots: list[int], data: st.DataObject) -> None:
    values = data.draw(st.lists(NUMBERS, min_size=len(knots), max_size=len(knots)))
    x = data.draw(st.one_of(st.sampled_from(knots), st.floats(-1500, 1500)))
    assert interpolated(x, knots, values.__getitem__) == pytest.approx(np.interp(x, knots, values), rel=1e-12, abs=1e-9)


def test_a_quantile_lies_between_horizons_and_between_quantiles() -> None:
    told = Forecast("chat", 0.0, (60.0, 120.0), (0.5, 0.9), ((1.0, 2.0), (3.0, 6.0)), "any", 0.0)
    assert told.quantile(90.0, 0.7) == pytest.approx(3.0)
    assert (told.quantile(0.0, 0.1), told.quantile(900.0, 0.99)) == (1.0, 6.0)
