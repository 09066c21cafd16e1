"""Recorded rows on an even grid: means of ticks, minutes stretched, gaps kept."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.impact.recorded import MOST_TICKS, SIGNALS, Floats, Recorded, on_grid, tick_of


def grid(times: list[float], erlangs: list[float], start_s: float, end_s: float, tick_s: float) -> Recorded:
    rows: list[Floats] = [np.array(erlangs) if name == "offered_erlangs" else np.ones(len(times)) for name in SIGNALS]
    return on_grid(np.array(times), rows, start_s, end_s, tick_s)


def test_a_tick_is_the_mean_of_its_rows() -> None:
    made = grid([15, 30, 45, 60], [1, 3, 5, 7], 0, 60, 30)
    assert made.times.tolist() == [30, 60]
    assert made.erlangs.tolist() == [2, 6]


def test_a_minute_is_stretched_over_its_ticks() -> None:
    made = grid([60, 120], [2, 4], 0, 120, 15)
    assert made.erlangs.tolist() == [2] * 4 + [4] * 4


def test_a_gap_stays_a_gap() -> None:
    made = grid([15, 30, 195, 210], [1, 1, 2, 2], 0, 210, 15)
    assert made.known.tolist() == [True, True] + [False] * 7 + [True] * 5
    assert np.isnan(made.erlangs[4])


def test_where_nothing_was_recorded_all_is_a_gap() -> None:
    assert not grid([], [], 0, 60, 15).known.any()


def test_lengths_are_tokens_of_a_request_and_unknown_without_requests() -> None:
    rows: list[Floats] = [np.array([0.0, 1.0]) for _ in SIGNALS]
    made = on_grid(np.array([15.0, 30.0]), rows, 0, 30, 15)
    assert np.isnan(made.input_tokens[0]) and made.input_tokens[1] == 1.0


@pytest.mark.parametrize(("span_s", "tick_s"), [(86400.0, 15.0), (7 * 86400.0, 105.0)])
def test_a_long_past_has_longer_ticks(span_s: float, tick_s: float) -> None:
    assert tick_of(span_s, 15.0) == tick_s
    assert span_s / tick_of(span_s, 1.0) <= MOST_TICKS
