"""Numbers as text: units, dashes, and no lie by rounding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console import format


@pytest.mark.parametrize(
    "said",
    [format.number, format.percent, format.usd, format.latency, format.duration],
)
def test_unknown_is_a_dash(said: object) -> None:
    assert callable(said)
    assert said(None) == "–"


def test_values_carry_their_units() -> None:
    assert format.latency(0.038) == "38 ms"
    assert format.latency(1.25) == "1.25 s"
    assert format.usd(3.5) == "$3.50"
    assert format.usd(12345.6) == "$12,346"
    assert format.number(1234.50) == "1,234.5"
    assert format.speed(1) == "real time"
    assert format.speed(60) == "60× real time"


def test_times_are_utc() -> None:
    assert format.clock(1_800_000_000) == "Fri 15 Jan 2027 08:00:00 UTC"
    assert format.time_of_day(1_800_000_000) == "08:00:00"
    assert format.stamp(1_800_000_000) == "2027-01-15 08:00:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (42.4, "42 s"), (60, "1 m"), (220, "3 m 40 s"), (7500, "2 h 5 m"), (273600, "3 d 4 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert format.duration(seconds) == text


@given(st.floats(0, 1), st.integers(0, 3))
def test_only_all_of_it_reads_as_100_percent(share: float, digits: int) -> None:
    assert (format.percent(share, digits) == "100 %") == (share == 1)


def test_freshness_says_stale_in_words() -> None:
    assert format.freshness(None, True) == "No data yet"
    assert format.freshness(4, False) == "Fresh: 4 s old"
    assert format.freshness(125, True) == "Stale: 2 m 5 s old"


def test_modes_are_counted_when_they_differ() -> None:
    assert format.modes(["auto", "auto"]) == "auto"
    assert format.modes(["shadow", "auto", "auto"]) == "2 auto, 1 shadow"
    assert format.modes([]) == "no services"


@given(st.text())
def test_escaped_text_has_no_live_marks_and_no_line_breaks(text: str) -> None:
    escaped = format.escape(text)
    assert "\n" not in escaped
    bare = escaped.replace("\\\\", "")
    assert all(bare[i - 1] == "\\" for i, mark in enumerate(bare) if mark in "$|*_[]`<>:#~")
