"""Days, weeks from Monday, calendar months, and what is over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.reports.spans import Kind, Span, around, last_over


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("kind", "start", "end", "title"),
    [
        ("day", at(2026, 11, 21), at(2026, 11, 22), "Saturday 21 November 2026"),
        ("week", at(2026, 11, 16), at(2026, 11, 23), "Week 47 of 2026: 16 Nov to 22 Nov 2026"),
        ("month", at(2026, 11, 1), at(2026, 12, 1), "November 2026"),
    ],
)
def test_the_span_around_a_time(kind: Kind, start: float, end: float, title: str) -> None:
    span = around(kind, at(2026, 11, 21, 20, 30))
    assert (span.start_s, span.end_s, span.title) == (start, end, title)


def test_the_last_one_that_is_over() -> None:
    assert last_over("month", at(2027, 1, 1)) == around("month", at(2026, 12, 15))
    assert last_over("day", at(2026, 3, 1, 5)) == around("day", at(2026, 2, 28))


def test_any_span_has_its_times_for_a_title() -> None:
    assert Span("span", at(2026, 1, 1), at(2026, 1, 2, 12)).title == "1 Jan 2026 00:00 to 2 Jan 2026 12:00 UTC"
    with pytest.raises(ValueError, match="give from and to"):
        around("span", 0.0)
