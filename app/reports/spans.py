"""Spans that reports are about: a UTC day, a week from Monday, a calendar month, or any two times.

Pure. A report that is sent by itself is about the last period that is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Kind = Literal["day", "week", "month", "span"]
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Span:
    """``start_s <= t < end_s``, UTC seconds."""

    kind: Kind
    start_s: float
    end_s: float

    @property
    def title(self) -> str:
        """As people call it."""
        start, last = _at(self.start_s), _at(self.end_s - 1)
        if self.kind == "month":
            return f"{start:%B %Y}"
        if self.kind == "day":
            return f"{start:%A %-d %B %Y}"
        if self.kind == "week":
            return f"Week {start:%V} of {start:%G}: {start:%-d %b} to {last:%-d %b %Y}"
        return f"{start:%-d %b %Y %H:%M} to {_at(self.end_s):%-d %b %Y %H:%M} UTC"


def around(kind: Kind, at_s: float) -> Span:
    """The day, week or month that a time lies in. Raises ValueError for a span, which has no length of its own."""
    at = _at(at_s)
    day = datetime(at.year, at.month, at.day, tzinfo=UTC)
    if kind == "day":
        return Span(kind, day.timestamp(), day.timestamp() + DAY_S)
    if kind == "week":
        monday = (day - timedelta(days=day.weekday())).timestamp()
        return Span(kind, monday, monday + 7 * DAY_S)
    if kind == "month":
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        return Span(kind, first.timestamp(), after.timestamp())
    raise ValueError("a span needs two times; give from and to")


def last_over(kind: Kind, now_s: float) -> Span:
    """The last day, week or month that is over."""
    return around(kind, around(kind, now_s).start_s - 1)


def _at(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
