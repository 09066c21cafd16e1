"""Decisions in words: equal neighbours are one spell, the binding constraint is marked."""

from __future__ import annotations

from app.api.schemas.decisions import AlternativeView
from app.console import decisions
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import decision
from tests.app.console.fake_fleet import SERVICES

ROW = decision(SERVICES[0], NOW_S)


def test_equal_neighbours_are_one_spell() -> None:
    rows = [
        ROW.model_copy(update={"at_s": at_s, "desired_active": wanted})
        for at_s, wanted in ((40.0, 5), (30.0, 4), (20.0, 4), (10.0, 5))
    ]
    found = decisions.spells(rows)
    assert [(s.newest.at_s, s.since_s, s.count) for s in found] == [(40, 40, 1), (30, 20, 2), (10, 10, 1)]
    assert decisions.spells([]) == []


def test_a_headline_says_when_what_and_how_often() -> None:
    row = ROW.model_copy(update={"current_active": 4, "desired_active": 6, "sentence": "Grow: $5 an hour."})
    once = decisions.headline(decisions.Spell(row, row.at_s, 1))
    assert once == "08:00:00 · **4 → 6** active · Grow\\: \\$5 an hour."
    assert "3 times since 07:59:30" in decisions.headline(decisions.Spell(row, row.at_s - 30, 3))


def test_icons_show_direction_and_whether_it_was_done() -> None:
    def icon(current: int, wanted: int, applied: bool) -> str:
        update = {"current_active": current, "desired_active": wanted, "applied": applied}
        return decisions.icon(decisions.Spell(ROW.model_copy(update=update), 0, 1))

    assert [icon(1, 2, True), icon(2, 1, True), icon(1, 1, True), icon(1, 2, False)] == [
        ":material/trending_up:",
        ":material/trending_down:",
        ":material/trending_flat:",
        ":material/visibility:",
    ]


def test_the_explanation_marks_the_one_that_bound() -> None:
    text = decisions.explanation(ROW)
    assert text.count("**binds**") == 1
    assert "replicas.max is" in text
    assert "\\$12.40 an hour" in text
    assert "policy version 1" in text


def test_the_explanation_says_what_it_costs_and_what_else_it_could_have_been() -> None:
    other = AlternativeView(replicas=6, name="forecast", erlangs=6.2, after_s=0, text="one more above 6.2")
    row = ROW.model_copy(update={"alternatives": [other], "usd_per_hour_now": 20.0, "usd_per_hour_then": 25.0})
    text = decisions.explanation(row)
    assert "- \\$20.00 an hour now, \\$25.00 once that is carried out" in text
    assert "- one more above 6.2" in text
