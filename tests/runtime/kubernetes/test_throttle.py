"""The rate holds over any stretch of time, and a pause stops everybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kubernetes.throttle import Throttle


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.5, 20), st.integers(1, 10))
def test_no_stretch_has_more_calls_than_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    throttle, now_s, starts = Throttle(rate, burst), 0.0, []
    for gap in gaps:
        now_s += gap
        starts.append(throttle.take(now_s))
    assert starts == sorted(starts)
    for i, first in enumerate(starts):
        for n, last in enumerate(starts[i:], 1):
            assert n <= burst + rate * (last - first) + 1e-6


def test_a_burst_starts_at_once_and_the_next_waits() -> None:
    throttle = Throttle(10, 3)
    assert [throttle.take(5.0) for _ in range(4)] == pytest.approx([5.0, 5.0, 5.0, 5.1])


def test_a_pause_holds_even_those_who_have_a_turn() -> None:
    throttle = Throttle(10, 3)
    throttle.pause(9.0)
    throttle.pause(8.0)
    assert throttle.take(5.0) == 9.0


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Throttle(0, 1)
