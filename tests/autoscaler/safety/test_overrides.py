"""What counts among overrides, and how they are told."""

from __future__ import annotations

import pytest

from autoscaler.safety.overrides import FLEET, Kind, Override, duration, in_force, spoken


def override(kind: Kind, replicas: int | None = None, **changes: object) -> Override:
    values = {
        "id": "o1",
        "service": "chat",
        "starts_at_s": 100.0,
        "until_s": 200.0,
        "author": "ann",
        "reason": "launch",
    }
    return Override(kind=kind, replicas=replicas, **(values | changes))  # type: ignore[arg-type]


def test_an_override_counts_from_its_start_up_to_its_end_for_its_service() -> None:
    freeze = override(Kind.FREEZE)
    counts = [in_force([freeze], "chat", at_s).freeze is freeze for at_s in (99.0, 100.0, 199.0, 200.0)]
    assert counts == [False, True, True, False]
    assert in_force([freeze], "code", 150.0).freeze is None


def test_the_fleets_freeze_counts_for_every_service() -> None:
    assert in_force([override(Kind.FREEZE, service=FLEET)], "anything", 150.0).freeze is not None


def test_the_newest_pin_and_the_highest_floor_count() -> None:
    pins = [override(Kind.PIN, 3, starts_at_s=110.0), override(Kind.PIN, 9)]
    floors = [override(Kind.AT_LEAST, 2), override(Kind.AT_LEAST, 5)]
    now = in_force([*pins, *floors], "chat", 150.0)
    assert now.pin is pins[0] and now.at_least is floors[1]


def test_an_override_is_told_with_author_reason_and_what_is_left() -> None:
    assert spoken(override(Kind.PIN, 4), 110.0) == "pinned to 4 for 2 min more, says ann (launch)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45.0, "45 s"), (720.0, "12 min"), (7200.0, "2 h"), (9000.0, "2 h 30 min"), (3 * 86400.0, "3 days")],
)
def test_durations_are_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
