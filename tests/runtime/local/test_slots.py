"""Who may use a slot."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.local import slots
from runtime.local.replica import LocalReplica
from runtime.local.spec import EngineSpec, Sleep, Slot
from runtime.replica import Tier

FIRST, SECOND = Slot("g0", ("0",), memory_bytes=100), Slot("g1", ("1",), memory_bytes=100)


def engine(pool: str, **changes: Any) -> EngineSpec:
    return EngineSpec("tiny", pool, "/model", **{"sleep": Sleep.LEVEL1, "memory_bytes": 60, **changes})


def there(pool: str, slot: Slot, asleep: bool = False, **changes: Any) -> LocalReplica:
    tier = Tier.ASLEEP if asleep else Tier.ACTIVE
    return LocalReplica(pool, engine(pool, **changes), tier, None, 0.0, slot=slot, claims=not asleep, asleep=asleep)


def test_an_empty_slot_comes_before_one_with_a_sleeper() -> None:
    assert slots.find(engine("a"), [FIRST, SECOND], [there("b", FIRST, asleep=True)]) is SECOND


def test_a_sleeper_of_another_pool_may_be_joined_by_one_that_can_sleep_too() -> None:
    sleeper = there("b", FIRST, asleep=True)
    assert slots.find(engine("a"), [FIRST], [sleeper]) is FIRST
    assert slots.find(engine("a", sleep=Sleep.NONE), [FIRST], [sleeper]) is None
    assert slots.find(engine("b"), [FIRST], [sleeper]) is None


def test_who_is_awake_has_the_slot() -> None:
    assert slots.find(engine("a"), [FIRST], [there("b", FIRST)]) is None


@pytest.mark.parametrize(("sleep", "found"), [(Sleep.PAUSE, None), (Sleep.LEVEL1, FIRST)])
def test_what_is_paused_keeps_its_memory_and_what_sleeps_does_not(sleep: Sleep, found: Slot | None) -> None:
    assert slots.find(engine("a", sleep=sleep), [FIRST], [there("b", FIRST, asleep=True, sleep=sleep)]) is found


def test_a_slot_of_unknown_memory_is_not_refused() -> None:
    unknown = Slot("g2", ("2",))
    paused = there("b", unknown, asleep=True, sleep=Sleep.PAUSE)
    assert slots.find(engine("a", sleep=Sleep.PAUSE), [unknown], [paused]) is unknown


def test_another_group_is_another_world() -> None:
    assert slots.find(engine("a", group="other"), [FIRST, SECOND], []) is None


def test_in_the_way_is_whoever_else_claims_the_devices() -> None:
    sleeper, awake = there("a", FIRST, asleep=True), there("b", FIRST)
    assert slots.in_the_way(sleeper, [sleeper, awake, there("c", SECOND)]) == [awake]
    assert slots.in_the_way(awake, [sleeper, awake]) == []


def test_host_memory_is_for_weights_that_are_kept_there() -> None:
    assert slots.host_bytes(engine("a"), 2) == 120
    assert slots.host_bytes(engine("a", sleep=Sleep.LEVEL2), 2) == 0
