"""Irregular samples on a regular grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.grid import Grid

NAN = np.nan


def grid(*samples: tuple[float, float | None]) -> Grid:
    made = Grid(60.0, 20)
    for at_s, value in samples:
        made.put(at_s, value)
    return made


def test_a_cell_is_the_mean_of_its_samples_and_an_open_one_that_of_the_last_minute() -> None:
    assert grid((0, 1.0), (5, 3.0), (14, 2.0)).values(0, 0).tolist() == [2.0]
    assert grid((0, 3.0), (50, 2.0), (70, 1.0)).values(0, 1).tolist() == [2.5, 1.5]
    assert grid((0, 3.0), (50, 2.0), (115, 1.0), (130, 0.5)).values(0, 2).tolist() == [2.5, 1.0, 0.75]


def test_cells_between_close_samples_take_the_later_one() -> None:
    assert grid((10, 1.0), (160, 2.0)).values(0, 2).tolist() == [1.0, 2.0, 2.0]


def test_silence_and_missing_samples_are_gaps() -> None:
    assert np.isnan(grid((10, 1.0), (250, 2.0)).values(1, 3)).all()
    assert np.isnan(grid((10, 1.0), (70, None), (130, 2.0)).values(1, 1)).all()


def test_closed_cells_are_named_once_and_gaps_never() -> None:
    made = grid((10, 1.0))
    assert list(made.put(30, 1.0)) == []
    assert list(made.put(150, 1.0)) == [0, 1]
    assert list(made.put(900, 1.0)) == [2]


def test_time_only_moves_forward() -> None:
    made = grid((600, 1.0), (300, 9.0), (599, 9.0))
    assert made.values(0, 10).max(initial=0, where=~np.isnan(made.values(0, 10))) == 1.0
    assert (made.newest, made.last_at_s) == (10, 600)


def test_nothing_is_known_of_the_future_or_beyond_the_ring() -> None:
    made = grid(*((60.0 * n, float(n)) for n in range(50)))
    assert np.isnan(made.values(50, 60)).all() and np.isnan(made.values(20, 29)).all()
    assert made.values(30, 49).tolist() == list(range(30, 50))


def test_an_empty_grid_knows_nothing() -> None:
    assert np.isnan(grid().values(0, 5)).all()
    assert Grid.of(60.0, 20, np.array([]), np.array([])).newest is None
    assert Grid.of(60.0, 20, np.array([1.0]), np.array([NAN])).newest is None


@given(
    st.lists(st.tuples(st.integers(1, 400), st.none() | st.floats(0, 100)), min_size=1, max_size=60),
)
def test_loading_a_history_is_the_same_as_living_through_it(steps: list[tuple[int, float | None]]) -> None:
    times = np.cumsum([gap for gap, _ in steps]).astype(float)
    lived = grid(*((at_s, value) for at_s, (_, value) in zip(times, steps, strict=True)))
    values = np.array([NAN if v is None else v for _, v in steps])
    loaded = Grid.of(60.0, 20, times, values)
    assert (loaded.newest, loaded.last_at_s) == (lived.newest, lived.last_at_s)
    if lived.newest is not None:
        past = (lived.newest - 12, lived.newest)
        assert loaded.values(*past) == pytest.approx(lived.values(*past), nan_ok=True)
