"""Back-off of a pool, and targets that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.fleet import PoolTarget
from runtime.local.lane import Lane, check
from runtime.local.spec import EngineSpec, LocalSpec, Sleep, Slot

ENGINE = EngineSpec("tiny", "p", "/model")
SPEC = LocalSpec((ENGINE,), (Slot("g", ("0",)),), Path("/home"), backoff_s=1.0, backoff_max_s=60.0, steady_s=600.0)


def lane() -> Lane:
    return Lane(ENGINE, PoolTarget("tiny", "p", 1))


def test_the_first_loss_is_replaced_at_once_then_the_pause_doubles() -> None:
    played, pauses = lane(), []
    for _ in range(5):
        played.failed(100.0, 1.0, SPEC)
        pauses.append(max(0.0, played.start_after_s - 100.0))
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0]


@given(st.integers(2, 5000))
def test_the_pause_is_bounded_however_long_it_goes_on(failures: int) -> None:
    played = lane()
    played.in_a_row = failures
    played.failed(0.0, 0.0, SPEC)
    assert 0 < played.start_after_s <= SPEC.backoff_max_s


def test_one_that_served_for_long_begins_anew() -> None:
    played = lane()
    for served_s in (0.0, 0.0, 600.0):
        played.failed(0.0, served_s, SPEC)
    assert played.in_a_row == 1


@pytest.mark.parametrize("name", ["active", "standby", "asleep", "warm_node"])
def test_numbers_below_0_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} -1 is below 0"):
        check(PoolTarget("tiny", "p", **{"active": 0, name: -1}), ENGINE, 1)


def test_more_sleepers_than_slots_are_refused() -> None:
    sleeper = EngineSpec("tiny", "p", "/model", sleep=Sleep.PAUSE)
    check(PoolTarget("tiny", "p", 0, asleep=2), sleeper, 2)
    with pytest.raises(ValueError, match="at most 2"):
        check(PoolTarget("tiny", "p", 0, asleep=3), sleeper, 2)
