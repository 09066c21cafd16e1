"""Out and in and out again is noticed, calmed, and forgotten."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.policy import Oscillation
from autoscaler.safety.oscillation import Restlessness, moved

RULE = Oscillation()


def after(directions: list[int], every_s: float) -> tuple[Restlessness, float]:
    memory, now_s = Restlessness(), 0.0
    for direction in directions:
        now_s += every_s
        memory = moved(memory, direction, now_s, RULE)
    return memory, now_s


def test_many_turns_make_restless_for_a_while() -> None:
    memory, now_s = after([1, -1] * 3, 200.0)
    assert memory.factor(RULE, now_s) == RULE.widen
    assert memory.factor(RULE, now_s + RULE.calm_s) == 1.0


def test_a_slow_rise_and_fall_is_no_oscillation() -> None:
    assert after([1, 1, 1, 0, -1, -1, 0, 1, -1], 200.0)[0].until_s is None
    assert after([1, -1] * 20, 900.0)[0].until_s is None


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=60), st.floats(15, 4000))
def test_what_is_kept_alternates_and_is_bounded(directions: list[int], every_s: float) -> None:
    memory, _ = after(directions, every_s)
    kept = [direction for _, direction in memory.turns]
    assert all(one == -other for one, other in pairwise(kept))
    assert len(kept) <= max(1, RULE.within_s / every_s + 1)


@given(st.lists(st.sampled_from([0, 1]), max_size=40))
def test_who_only_grows_is_never_restless(directions: list[int]) -> None:
    assert after(directions, 15.0)[0].until_s is None
