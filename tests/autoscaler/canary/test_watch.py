"""The watch: what burns more than before is found early, what does not is left alone, a gap decides nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.attainment import Sample
from autoscaler.canary.watch import ALERTS, LEAST_LATE, Before, Outcome, Watch, begin, burns, step
from tests.autoscaler.cases import NOW_S

TICK_S = 15.0
WATCH_S = 1800.0
CALM = Before(1800.0, 1800.0, 0.0)

shares = st.floats(0, 1)


def played(lates: list[float | None], before: Before = CALM, requests: float = 30.0, watch_s: float = WATCH_S) -> Watch:
    """A watch over ticks of which each says which share was late, or nothing."""
    watch = begin("chat", 2, 1, 0.99, watch_s, NOW_S)
    for i, share in enumerate(lates):
        at_s = NOW_S + TICK_S * (i + 1)
        seen = None if share is None else Sample(at_s, TICK_S, requests, share * requests)
        watch = step(watch, seen, before, at_s)
    return watch


@given(st.lists(st.none() | shares, max_size=150), st.floats(1, 1000), st.floats(0, 1))
def test_what_burns_no_more_than_before_is_never_taken_back(
    lates: list[float | None], requests: float, before: float
) -> None:
    calmer = [None if late is None else late * before for late in lates]
    assert played(calmer, Before(1800.0, 1000.0, 1000.0 * before), requests).outcome is not Outcome.FAILED


@given(st.lists(shares, min_size=1, max_size=60), st.lists(shares, min_size=60, max_size=60))
def test_more_late_requests_are_found_no_later(lates: list[float], more: list[float]) -> None:
    worse = [min(1.0, late + extra) for late, extra in zip(lates, more, strict=False)]
    milder, harsher = played(list(lates)), played(list(worse))
    if milder.outcome is Outcome.FAILED:
        assert harsher.outcome is Outcome.FAILED
        assert (harsher.ended_at_s or 0) <= (milder.ended_at_s or 0)


@given(st.integers(1, 300))
def test_nothing_measured_neither_passes_nor_fails(ticks: int) -> None:
    watch = played([None] * ticks)
    assert watch.outcome is Outcome.WATCHING
    assert watch.missing_s == ticks * TICK_S
    assert watch.left_s == WATCH_S


@given(st.lists(st.booleans(), max_size=60))
def test_the_watch_is_longer_by_what_is_missing(missing: list[bool]) -> None:
    lates: list[float | None] = [None if gone else 0.0 for gone in missing]
    rest = round(WATCH_S / TICK_S) - lates.count(0.0)
    assert played([*lates, *[0.0] * (rest - 1)]).open
    watch = played([*lates, *[0.0] * rest])
    assert watch.outcome is Outcome.PASSED
    assert watch.ended_at_s == NOW_S + WATCH_S + missing.count(True) * TICK_S


def test_everything_late_is_found_within_a_minute() -> None:
    """14.4 % of five minutes are 43 s; at 15 s a tick that is the third."""
    watch = played([1.0] * 3)
    assert watch.outcome is Outcome.FAILED
    assert played([1.0] * 2).open
    assert "burns the error budget" in watch.said and "90 of 90 requests late" in watch.said


def test_a_slow_burn_is_found_by_the_long_window() -> None:
    """A tenth late burns ten times the budget: too little for the fast alert, enough for the slow one in 18 min."""
    watch = played([0.1] * 120)
    assert watch.outcome is Outcome.FAILED
    assert (watch.ended_at_s or 0) - NOW_S == pytest.approx(0.6 * WATCH_S, abs=TICK_S)
    assert played([0.05] * 120).outcome is Outcome.PASSED


def test_trouble_that_has_passed_takes_nothing_back() -> None:
    """The short window shows that it no longer burns."""
    quiet: list[float | None] = [0.0] * 120
    assert played([1.0, 1.0, *quiet]).outcome is Outcome.PASSED


def test_trouble_from_before_is_nobodys_fault() -> None:
    assert played([0.3] * 120, Before(1800.0, 1000.0, 300.0)).outcome is Outcome.PASSED
    assert played([0.5] * 120, Before(1800.0, 1000.0, 300.0)).outcome is Outcome.FAILED


def test_a_few_requests_are_no_evidence() -> None:
    watch = played([1.0] * 10, requests=0.5)
    assert watch.open and max(burn.long for burn in burns(watch)) > ALERTS[0].burn
    assert sum(sample.late for sample in watch.samples) < LEAST_LATE


def test_chance_is_no_evidence_where_requests_were_late_before() -> None:
    """A fifth late before, measured on 100 requests: 33 % of 100 are 2.3 standard deviations more, which is chance."""
    before = Before(1800.0, 100.0, 20.0)
    assert all(burn.late < burn.enough for burn in burns(played([0.33] * 20, before, 5.0)))
    assert played([0.45] * 60, before, 5.0).outcome is Outcome.FAILED


def test_an_interval_that_began_before_the_change_counts_for_its_part() -> None:
    watch = begin("chat", 2, 1, 0.99, WATCH_S, NOW_S)
    at_s = NOW_S + 5.0
    (sample,) = step(watch, Sample(at_s, 15.0, 30.0, 30.0), CALM, at_s).samples
    assert (sample.seconds, sample.requests, sample.late) == pytest.approx((5.0, 10.0, 10.0))


def test_what_is_over_stays_over() -> None:
    watch = played([1.0] * 3)
    later = step(watch, None, CALM, NOW_S + 1000)
    assert later == watch
    assert step(replace(watch, ended_at_s=None), None, CALM, watch.at_s) == replace(watch, ended_at_s=None)


def test_the_reason_names_what_was_not_known_before() -> None:
    assert "nothing known before" in played([1.0] * 3, Before()).said
