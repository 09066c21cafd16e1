"""Virtual time keeps its speed, waits for whoever holds it, and never goes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.pacing import LEASE_S, MAX_DEBT_S, Pacer

START_S = 1.7e9
"""A time as large as real ones, where a double holds a quarter of a microsecond."""

SMALLEST_S = 5e-7


def pacer(speed: float) -> Pacer:
    return Pacer(START_S, speed, wall_s=50.0)


def after(pacer: Pacer, wall_s: float, every_s: float = 0.01) -> float:
    """Virtual seconds since the start, ``wall_s`` later, looked at in small steps."""
    end_s = pacer.wall_s + wall_s
    while pacer.wall_s < end_s:
        pacer.allowed(min(end_s, pacer.wall_s + every_s))
    return pacer.now_s - START_S


@pytest.mark.parametrize("speed", [0.1, 1.0, 60.0, 600.0])
def test_time_passes_at_its_speed(speed: float) -> None:
    assert after(pacer(speed), 10.0) == pytest.approx(10 * speed, abs=1e-3)


def test_real_time_waits_for_nobody_and_catches_up_after_a_stall() -> None:
    real = pacer(1.0)
    real.hold("loop", START_S + 5, 50.0)
    assert real.allowed(150.0) == START_S + 100


def test_faster_time_does_not_leap_after_a_stall() -> None:
    assert pacer(60.0).allowed(150.0) - START_S == 60 * MAX_DEBT_S


def test_time_stops_where_a_client_wants_to_act_and_goes_on_with_its_next_word() -> None:
    fast = pacer(100.0)
    fast.hold("loop", START_S + 15, fast.wall_s)
    assert after(fast, 1.0) == 15
    fast.hold("loop", START_S + 30, fast.wall_s)
    assert after(fast, 1.0) == 30


def test_what_a_hold_kept_back_is_made_up_for() -> None:
    fast = pacer(100.0)
    fast.hold("loop", START_S + 15, fast.wall_s)
    after(fast, 1.0)
    fast.release("loop")
    assert after(fast, 0.5) == pytest.approx(150, abs=1e-3)


def test_what_the_world_could_not_reach_stays_owed() -> None:
    fast = pacer(100.0)
    assert fast.allowed(51.0) == START_S + 100
    fast.reached(START_S + 30)
    assert fast.now_s == START_S + 30
    assert fast.allowed(51.0) == START_S + 100


def test_a_world_that_is_always_too_slow_owes_no_more_than_a_little() -> None:
    slow = pacer(100.0)
    for i in range(100):
        slow.allowed(51.0 + i)
        slow.reached(START_S + i)
    assert slow.allowed(slow.wall_s) - slow.now_s <= 100 * MAX_DEBT_S
    assert slow.now_s <= START_S + 99 + 100 * MAX_DEBT_S


def test_the_earliest_of_several_holds_counts() -> None:
    fast = pacer(100.0)
    fast.hold("late", START_S + 40, fast.wall_s)
    fast.hold("early", START_S + 15, fast.wall_s)
    assert after(fast, 1.0) == 15
    fast.release("early")
    assert after(fast, 1.0) == 40


def test_a_client_that_has_gone_silent_holds_nobody_for_longer_than_its_lease() -> None:
    fast = pacer(10.0)
    fast.hold("gone", START_S + 1, fast.wall_s)
    assert after(fast, LEASE_S - 0.1) == 1
    after(fast, 1.0)
    assert fast.holds == {}
    assert fast.now_s > START_S + 1


def test_a_client_that_waits_for_a_moment_far_away_keeps_its_hold() -> None:
    slow = pacer(0.1)
    slow.hold("loop", START_S + 10, slow.wall_s)
    after(slow, 4 * LEASE_S)
    assert "loop" in slow.holds


events = st.lists(
    st.tuples(
        st.sampled_from(["pass", "hold a", "hold b", "release a", "fall behind"]),
        st.floats(0, 8),
        st.floats(-50, 500),
    ),
    max_size=40,
)


@given(events, st.sampled_from([0.1, 2.0, 60.0, 600.0]))
def test_time_never_goes_back_nor_beyond_a_live_hold(events: list[tuple[str, float, float]], speed: float) -> None:
    clock = pacer(speed)
    for what, wall_s, at_s in events:
        before_s = clock.now_s
        if what.startswith("hold"):
            clock.hold(what[-1], before_s + at_s, clock.wall_s)
        elif what == "release a":
            clock.release("a")
        now_s = clock.allowed(clock.wall_s + wall_s)
        assert before_s <= now_s <= before_s + speed * (wall_s + MAX_DEBT_S) + SMALLEST_S
        assert all(now_s <= max(at, before_s) for at, _ in clock.holds.values())
        if what == "fall behind":
            clock.reached((before_s + now_s) / 2)


@given(st.lists(st.floats(0, 5), max_size=30), st.sampled_from([0.1, 60.0, 600.0]))
def test_time_never_passes_faster_than_its_speed_from_the_start(pauses: list[float], speed: float) -> None:
    clock = pacer(speed)
    for pause_s in pauses:
        clock.allowed(clock.wall_s + pause_s)
        assert clock.now_s - START_S <= speed * (clock.wall_s - 50.0) + SMALLEST_S * (1 + len(pauses))
