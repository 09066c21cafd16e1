"""The findings are true of the rows they are read off, whoever wins."""

from __future__ import annotations

import pytest

from autoscaler.backtest.words import followed, headline, keepers, latency, number, percent, span, trade, usd
from tests.autoscaler.backtest.rows import row

GOAL = 0.99
OURS = row("leadtime", 80.0, 0.995)
ORACLE = row("oracle", 50.0, 0.999)
HPA = row("hpa", 100.0, 0.992)
POOR = row("mean", 40.0, 0.7)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(12345.67), "12,345.7"),
        (number(None), "–"),
        (usd(0.314), "$0.31"),
        (usd(12345.6), "$12,346"),
        (usd(None), "–"),
        (percent(0.9954), "99.54 %"),
        (percent(1.0), "100 %"),
        (percent(0.999999), ">99.99 %"),
        (percent(0.0), "0 %"),
        (latency(0.0384), "38 ms"),
        (latency(0.9999), "1.00 s"),
        (latency(1.254), "1.25 s"),
        (latency(5972.24), "5,972 s"),
        (latency(None), "–"),
        (span(0), "0"),
        (span(300), "5 min"),
        (span(129600), "1 d 12 h"),
    ],
)
def test_figures_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([OURS, HPA, POOR, ORACLE], "at $80.00, 20 % less than hpa, the cheapest other policy that kept 99 %"),
        ([row("leadtime", 125.0, 0.99), HPA], "99 % of requests at $125, 25 % more than hpa"),
        ([row("leadtime", 100.2, 0.99), HPA], "at $100, as much as hpa"),
        ([OURS, POOR, ORACLE], "99.5 % of requests at $80.00; no other policy kept the promised 99 %"),
        ([row("leadtime", 80.0, 0.95), HPA], "at $80.00, short of the promised 99 %; hpa kept it at $100"),
        ([row("leadtime", 80.0, 0.95), POOR], "short of the promised 99 %; no other policy kept it either"),
        ([row("leadtime", 0.0, None), HPA], "leadtime saw no requests"),
        ([HPA, POOR], "2 policies on the same traffic"),
    ],
)
def test_the_headline_is_what_ours_did_against_the_cheapest_that_kept_the_promise(
    rows: list[dict[str, object]], expected: str
) -> None:
    assert expected in headline(rows, GOAL)


def test_alone_ours_is_compared_with_nobody() -> None:
    assert headline([OURS], GOAL) == "leadtime met the targets for 99.5 % of requests at $80.00"


def test_the_oracle_knobs_or_not_does_not_compete() -> None:
    turned = row("oracle@0.999", 50.0, 0.999)
    for oracle in (ORACLE, turned):
        assert (
            keepers([OURS, HPA, POOR, oracle], GOAL) == "2 of 3 kept the promised 99 %; leadtime for the least, $80.00"
        )


def test_nobody_may_keep_the_promise() -> None:
    assert keepers([POOR, row("hpa", 1.0, None)], GOAL) == "None of 2 kept the promised 99 %"


def test_who_was_both_cheaper_and_better_is_named() -> None:
    better = [row("hpa", 70.0, 0.996), row("wva", 80.0, 0.999)]
    assert trade([OURS, *better]) == "hpa and wva were both cheaper and better than leadtime"
    assert trade([OURS, better[0]]) == "hpa was both cheaper and better than leadtime"
    assert trade([OURS, HPA, POOR, row("same", 80.0, 0.995)]) == "No policy was both cheaper and better than leadtime"


def test_the_oracle_says_how_far_there_is_to_go() -> None:
    assert trade([OURS, HPA, ORACLE]).endswith("; leadtime cost 1.60 times the oracle")
    assert trade([HPA, ORACLE]) == trade([OURS]) == "What each policy cost, and what it attained"


def test_how_ours_followed_the_load() -> None:
    said = followed([OURS, HPA], {"leadtime": 0.004, "hpa": 0.1})
    assert said == "leadtime held 3.5 replicas on average and was short of the load 0.4 % of the time"
    assert followed([HPA], {"hpa": 0.1}) == "How each fleet followed the load"
