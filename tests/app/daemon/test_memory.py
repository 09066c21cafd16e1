"""The daemon's memory: the time between ticks, and sparklines of bounded length."""

from __future__ import annotations

from collections import deque

import pytest

from app.daemon.memory import SPARK_POINTS, Memory, clock, extend, known_mean, spark


@pytest.mark.parametrize(
    ("speed", "elapsed_s", "passed_s"),
    [
        (1.0, 5.0, 5.0),
        (1.0, 100.0, 100.0),
        (60.0, 0.1, 6.0),
        (60.0, 10.25, 25.0),
        (1.0, -5.0, -5.0),
        (2.0, -5.0, -10.0),
    ],
)
def test_time_goes_on_between_ticks(speed: float, elapsed_s: float, passed_s: float) -> None:
    memory = Memory(speed=speed, interval_s=15.0, now_s=1000.0, told_at_monotonic_s=50.0)
    assert clock(memory, 50.0 + elapsed_s) == pytest.approx(1000.0 + passed_s)


def test_time_nobody_has_told_stands_still() -> None:
    assert clock(Memory(now_s=7.0), 1e9) == 7.0


def test_sparklines_keep_the_newest_points() -> None:
    recent: dict[str, deque[float | None]] = {}
    for index in range(SPARK_POINTS + 5):
        extend(recent, {"load": float(index), "gap": None})
    assert spark(recent, "load")[0] == 5.0 and len(spark(recent, "load")) == SPARK_POINTS
    assert set(spark(recent, "gap")) == {None}
    assert spark(recent, "unknown") == []


def test_a_mean_is_of_what_is_known() -> None:
    assert known_mean([1.0, None, 3.0]) == 2.0
    assert known_mean([None]) is None
