"""The page is one well-formed document that needs nothing else, and its pictures show what was told."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from app.forecasts import pictures
from app.forecasts.page import headline, page
from tests.app.forecasts.evaluations import evaluation

VOID = {"meta", "dt", "dd"}


class Nesting(HTMLParser):
    """Checks that every element is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Nothing is opened."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made() -> str:
    return page("chat <load>", "erlangs", [evaluation(), evaluation(peak=True)], ["3 minutes are missing"])


def test_it_is_well_formed_and_escaped() -> None:
    nesting = Nesting()
    nesting.feed(made())
    assert nesting.open == []
    assert "Forecasts of chat &lt;load&gt;" in made() and "3 minutes are missing" in made()


def test_it_needs_nothing_else() -> None:
    assert not re.search(r"<script|src=|href=|@import|url\(|nan", made())


def test_every_picture_has_its_numbers_beneath_it() -> None:
    assert made().count("<details>") == 2 * 4
    assert made().count('<svg class=""') == 2 * (2 + 1 + 2)


def test_the_headline_says_how_much_and_how_well() -> None:
    assert re.fullmatch(
        r"Against the last value \d+ % (less|more) loss for the value at the horizon; P90 to P99 kept within .* points",
        headline([evaluation()]),
    )


def test_a_gap_breaks_the_lines() -> None:
    whole, broken = (pictures.fan(evaluation(gap=gap), 0) for gap in (False, True))
    assert (whole.count('class="line truth"'), broken.count('class="line truth"')) == (1, 2)
    assert (whole.count('class="band near"'), broken.count('class="band near"')) == (1, 2)


def test_every_forecast_has_a_bar_at_every_horizon() -> None:
    panels = pictures.bars(evaluation())
    assert len(panels) == 2 and all(panel.count("bar c0") == 1 and panel.count("bar other") == 4 for panel in panels)


def test_calibration_has_a_mark_for_every_horizon_and_quantile() -> None:
    assert pictures.calibration(evaluation()).count('class="mark') == 2 * 5


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(ValueError, match="a page needs evaluations"):
        page("chat", "erlangs", [])
