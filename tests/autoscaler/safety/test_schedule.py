"""The weekly table, in its own time zone, ahead of time, and past midnight."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from autoscaler.policy import Policy, Shift
from autoscaler.safety.schedule import floor_at, runs, spoken


def shift(**changes: Any) -> Shift:
    return Shift.model_validate({"start": "08:00", "end": "18:00", "min": 4, "time_zone": "Europe/Berlin"} | changes)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20T07:59:00+01:00", False),
        ("2026-11-20T08:00:00+01:00", True),
        ("2026-11-20T17:59:59+01:00", True),
        ("2026-11-20T18:00:00+01:00", False),
        ("2026-07-20T06:30:00+00:00", True),  # summer time
        ("2026-11-20T06:30:00+00:00", False),
    ],
)
def test_a_shift_runs_by_local_time(moment: str, expected: bool) -> None:
    assert runs(shift(), at(moment)) is expected


def test_a_shift_past_midnight_belongs_to_the_day_it_began() -> None:
    night = shift(days=("fri",), start="22:00", end="06:00")
    told = [
        runs(night, at(f"2026-11-{day}T{hour}:00+01:00")) for day, hour in ((20, "23:00"), (21, "05:00"), (21, "23:00"))
    ]
    assert told == [True, True, False]


def test_the_highest_floor_counts_and_begins_a_lead_time_early() -> None:
    shifts = [shift(), shift(start="09:00", min=6)]
    early = at("2026-11-20T08:58:00+01:00")
    assert floor_at(shifts, early) == shifts[0]
    assert floor_at(shifts, early, lead_s=180.0) == shifts[1]
    assert floor_at(shifts, at("2026-11-20T03:00:00+01:00"), lead_s=180.0) is None


def test_a_shift_is_told_in_words() -> None:
    assert spoken(shift()) == "the schedule keeps 4 every day 08:00–18:00 Europe/Berlin"


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars/Olympus"}, {"start": 480}, {"end": "24:00"}, {"days": []}])
def test_what_is_no_shift_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        shift(**wrong)


def test_a_schedule_above_the_upper_bound_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValidationError, match=r"min 12 from 08:00 is greater than replicas\.max 10"):
        Policy(schedule=(shift(min=12),))
