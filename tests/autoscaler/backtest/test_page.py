"""The page stands alone, says what the rows say, and shows the numbers of every picture."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.page import COLUMNS, cells, page
from autoscaler.backtest.run import run
from tests.autoscaler.backtest.cases import POLICY, case, trace
from tests.autoscaler.backtest.rows import result, row

CASE = case()
RESULTS = [result("leadtime", 80.0, 0.995), result("hpa", 100.0, 0.98), result("oracle", 50.0, 0.999)]
VOID = {"meta", "path", "line", "rect"}


class Reader(HTMLParser):
    """Checks that every element is closed, and keeps names, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        if tag not in VOID | {"dt", "dd"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(*results: object, of: object = CASE) -> Reader:
    return Reader(page(list(results) or RESULTS, of))  # type: ignore[arg-type]


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    text = page(RESULTS, CASE)
    reader = Reader(text)
    assert reader.open == [] and reader.links == []
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not re.search(r"https?:|@import|url\(", text)


def test_it_says_what_was_found_first() -> None:
    text = page(RESULTS, CASE)
    assert "<h1>leadtime met the targets for 99.5 % of requests at $80.00; no other policy kept" in text
    assert "1 of 2 kept the promised 99 %; leadtime for the least, $80.00" in text


def test_light_and_dark_follow_the_reader_and_a_phone_is_wide_enough() -> None:
    text = page(RESULTS, CASE)
    assert "prefers-color-scheme: dark" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_every_row_has_a_cell_for_every_column() -> None:
    figures = cells(row("hpa", 100.0, 0.98), 0.99)
    assert len(figures) == len(COLUMNS)
    assert figures[:3] == ["98 % ✗", "$100", "98 %"]
    assert {"40 ms", "300 ms", "1.25 s", "1,234.5", "7 / 5", "12 / 3"} <= set(figures)


def test_what_is_not_known_is_a_dash() -> None:
    figures = cells(row("hpa", 0.0, None), 0.99)
    assert figures.count("–") == 9
    assert "✗" not in "".join(figures)


def test_every_picture_has_its_numbers_in_a_table() -> None:
    reader = read()
    assert reader.tags.count("details") == 3
    assert reader.words.count("Data") == 2
    assert {"load / ρ_max", "99.5 %", "$80.00", "3", "4"} <= set(reader.words)


def test_a_long_run_is_told_in_few_lines_from_lowest_to_highest() -> None:
    timeline = [(60.0 * i, 2 + (i == 5000), 3) for i in range(1, 10_001)]
    reader = read(result("leadtime", timeline=timeline))
    assert reader.tags.count("tr") < 340
    assert reader.words.count("2 to 3") == 1


def test_names_cannot_become_markup() -> None:
    text = page([result("<script>x")], replace(CASE, name="<b>&"))
    assert "<script" not in text and "&lt;b&gt;&amp;" in text


def test_the_terms_are_told() -> None:
    slo = POLICY.slo.model_copy(update={"ttft_s_per_1k_tokens": 0.5})
    reader = read(of=case(policy=POLICY.model_copy(update={"slo": slo})))
    told = " ".join(reader.words)
    assert "TTFT 2 s + 0.5 s per 1,000 prompt tokens, TPOT 50 ms, for 99 % of requests" in told
    assert "2 × H100 a replica, $2.5 per GPU-hour" in told
    assert "cold 120 s (P90 180 s)" in told


def test_a_page_without_results_is_refused() -> None:
    with pytest.raises(ValueError, match="give one or more"):
        page([], CASE)


@pytest.mark.parametrize("seconds", [20.0, 300.0])
def test_a_real_run_makes_a_page(seconds: float) -> None:
    """The shorter one ends before the first minute, so that it has no timeline."""
    of = case(trace(seconds))
    reader = read(run(of, Ours(of)), of=of)
    assert reader.open == []
    assert reader.tags.count("figure") == 1
