"""The timeline's table, chart and words."""

from __future__ import annotations

import pytest

from app.api.timeline import Timeline
from app.console import timeline
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_decisions import turns
from tests.app.console.fake_fleet import SERVICES

TURNS = turns(SERVICES[0], NOW_S - 7200, NOW_S)


def test_the_turn_in_force_at_a_moment_is_found() -> None:
    assert timeline.nearest(TURNS, None) == 0
    assert timeline.nearest(TURNS, TURNS[3].at_s + 1) == 3
    assert timeline.nearest(TURNS, 0.0) == len(TURNS) - 1


def test_turns_are_chosen_by_service_and_binding() -> None:
    binding = TURNS[0].binding
    assert timeline.chosen(TURNS, "nobody", None) == []
    assert {turn.binding for turn in timeline.chosen(TURNS, "chat-70b", binding)} == {binding}


def test_the_finding_counts_and_names_what_is_left_off() -> None:
    found = Timeline(start_s=0, end_s=1, turns=TURNS, left_off=7)
    assert timeline.finding(found, TURNS).startswith(f"turned {len(TURNS)} times, most often by ")
    assert timeline.finding(found, TURNS).endswith("7 earlier turns are left off")
    assert timeline.finding(found, []) == "nothing turned"


def test_the_chart_has_a_bar_and_a_number_per_turn_and_a_rule() -> None:
    spec = timeline.chart(TURNS, NOW_S - 60).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["bar", "text", "rule"]
    assert len(timeline.frame([])) == 0


@pytest.mark.parametrize(
    ("text", "at_s"),
    [("1800000000", 1.8e9), ("2027-01-15T08:00:00Z", 1.8e9), ("2027-01-15 08:00", 1.8e9), ("soon", None), (None, None)],
)
def test_a_moment_is_read_as_seconds_or_iso(text: str | None, at_s: float | None) -> None:
    assert timeline.moment_of(text) == at_s
