"""The weekly table: from when to when so many replicas are kept, in the operator's own time zone. Pure.

A floor that begins at eight must serve at eight, so it is looked up one lead time ahead as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from autoscaler.policy import DAYS, Shift


def floor_at(shifts: Sequence[Shift], now_s: float, lead_s: float = 0.0) -> Shift | None:
    """The shift with the most replicas of those that run now or begin within ``lead_s``; None where none does."""
    due = [shift for shift in shifts if runs(shift, now_s) or runs(shift, now_s + lead_s)]
    return max(due, key=lambda shift: shift.min, default=None)


def runs(shift: Shift, at_s: float) -> bool:
    """Whether a shift runs at that moment; one whose end is not after its start runs past midnight."""
    local = datetime.fromtimestamp(at_s, ZoneInfo(shift.time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    start, end = minutes(shift.start), minutes(shift.end)
    days = {DAYS.index(day) for day in shift.days}
    if start < end:
        return today in days and start <= minute < end
    return (today in days and minute >= start) or ((today - 1) % 7 in days and minute < end)


def minutes(text: str) -> int:
    """Minutes since midnight of ``HH:MM``."""
    hours, rest = text.split(":")
    return int(hours) * 60 + int(rest)


def spoken(shift: Shift) -> str:
    """In words."""
    return f"the schedule keeps {shift.min} {shift.days_text()} {shift.start}–{shift.end} {shift.time_zone}"
