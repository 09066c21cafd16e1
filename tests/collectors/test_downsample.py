"""Thinned series keep what one looks for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.downsample import thin

series = st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)), max_size=300)


@given(series, st.integers(3, 60))
def test_never_more_points_and_never_a_lost_spike(values: list[float], most: int) -> None:
    points = thin(np.arange(len(values), dtype=float), np.array(values), most)
    told, kept = ([v for v in some if v is not None and not math.isnan(v)] for some in (values, dict(points).values()))
    assert len(points) <= most
    assert [at_s for at_s, _ in points] == sorted({at_s for at_s, _ in points})
    assert (min(told, default=None), max(told, default=None)) == (min(kept, default=None), max(kept, default=None))


@given(series, st.integers(3, 60))
def test_every_point_is_of_the_series(values: list[float], most: int) -> None:
    for at_s, value in thin(np.arange(len(values), dtype=float), np.array(values), most):
        original = values[int(at_s)]
        assert (value is None and math.isnan(original)) or value == original


def test_a_gap_stays_visible() -> None:
    values = np.ones(10_000)
    values[5000:5100] = np.nan
    assert any(value is None for _, value in thin(np.arange(10_000.0), values, 100))


def test_a_hole_without_rows_is_a_gap() -> None:
    times = np.array([0.0, 15, 30, 45, 60, 3600, 3615, 3630])
    points = thin(times, np.ones(8), 100)
    assert [at_s for at_s, value in points if value is None] == [75.0]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_series_stay_as_they_are(count: int) -> None:
    assert len(thin(np.arange(float(count)), np.ones(count), 3)) == count
