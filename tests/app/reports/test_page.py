"""The page: numbers of the report, every text escaped, pictures with their tables, nothing that loads."""

from __future__ import annotations

import re

import pytest

from app.reports import build
from app.reports.books import Books
from app.reports.page import headline, page
from app.reports.spans import Span, around
from app.reports.views import Report
from tests.app.reports.conftest import DAYS, POLICIES, START_S


@pytest.fixture(scope="module")
def made(books: Books) -> Report:
    return build.report(books, POLICIES, Span("span", START_S, START_S + 86400.0 * DAYS), START_S + 86400.0 * DAYS)


def test_the_headline_says_what_it_comes_to(made: Report) -> None:
    assert headline(made).startswith(f"${made.cost.total.total_usd:,.2f} for 2 services: $")


def test_every_service_stands_with_its_cost(made: Report) -> None:
    text = page(made)
    for line in made.cost.services:
        assert f"${line.total_usd:,.2f}" in text
    assert "the fleet as a whole" in text
    assert "=code" in text


def test_it_loads_nothing_and_runs_nothing(made: Report) -> None:
    text = page(made)
    assert not re.search(r"<script|<link|<iframe|<img|@import|url\(|https?:", text)


def test_names_are_escaped(made: Report) -> None:
    name = '<img src=x onerror="alert(1)">'
    services = [made.cost.services[0].model_copy(update={"name": name}), *made.cost.services[1:]]
    told = made.model_copy(update={"cost": made.cost.model_copy(update={"services": services, "gaps": [name]})})
    assert "<img" not in page(told)
    assert "&lt;img" in page(told)


def test_pictures_are_drawn_for_wide_and_narrow_readers(made: Report) -> None:
    text = page(made)
    assert text.count("<div class=wide><svg") == text.count("<div class=narrow><svg") == 4
    assert "NaN" not in text and "inf" not in text.lower().replace("information", "")


def test_an_empty_span_says_so(books: Books) -> None:
    before = around("day", START_S - 40 * 86400)
    told = page(build.report(books, POLICIES, before, START_S))
    assert "Nothing was metered in this span" in told
    assert "Not known" in told


def test_a_quota_and_its_end_are_told(made: Report) -> None:
    line = next(line for line in made.capacity if line.gpu == "H100")
    assert line.quota_gpus == 12
    assert "quota 12" in page(made)
