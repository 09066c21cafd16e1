"""Which differences of counters mean something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.intervals import COUNTERS, intervals
from collectors.observation import ReplicaSample
from tests.collectors.samples import sample, scrape


def test_counters_grow() -> None:
    spans, gaps = intervals(["a"], scrape(0, sample("a", 0)), scrape(15, sample("a", 15, completed=30, running=-3)))
    assert gaps == ()
    assert (spans["a"].seconds, spans["a"].growth["completed"], spans["a"].growth["running"]) == (15, 30, -3)
    assert spans["a"].per_s("completed", "running") == pytest.approx(27 / 15)


def test_each_replica_has_its_own_times() -> None:
    spans, _ = intervals(["a"], scrape(0, sample("a", -4)), scrape(15, sample("a", 6, completed=20)))
    assert spans["a"].per_s("completed") == 2.0


def test_without_an_earlier_scrape_there_is_no_interval() -> None:
    spans, gaps = intervals(["a"], None, scrape(15, sample("a", 15)))
    assert spans == {}
    assert "no earlier scrape" in gaps[0].reason


def test_a_replica_that_vanished_is_a_gap() -> None:
    spans, gaps = intervals(["a"], scrape(0, sample("a", 0)), scrape(15))
    assert spans == {}
    assert [(gap.subject, gap.reason) for gap in gaps] == [("a", "not seen")]


def test_a_gap_that_the_source_named_is_not_named_twice() -> None:
    assert intervals(["a"], scrape(0, sample("a", 0)), scrape(15, missing=("a",))) == ({}, ())


def test_a_new_replica_counts_from_zero() -> None:
    new = ReplicaSample("b", 15, running=3, waiting=0, completed=12)
    spans, gaps = intervals(["b"], scrape(0, sample("a", 0)), scrape(15, new))
    assert gaps == ()
    assert spans["b"].growth == {"running": 3, "waiting": 0, "completed": 12}


def test_a_new_replica_with_a_long_past_is_not_believed() -> None:
    spans, gaps = intervals(["b"], scrape(0), scrape(15, sample("b", 15)))
    assert spans == {}
    assert "cannot have reached" in gaps[0].reason


def test_a_replica_that_was_unreachable_before_is_not_new() -> None:
    fresh = ReplicaSample("b", 15, running=3, waiting=0, completed=12)
    spans, gaps = intervals(["b"], scrape(0, missing=("b",)), scrape(15, fresh))
    assert spans == {}
    assert gaps[0].reason == "not seen at the earlier scrape"


@pytest.mark.parametrize("field", COUNTERS)
def test_a_counter_that_fell_restarts_all_of_them(field: str) -> None:
    now = ReplicaSample("a", 15, **({"running": 4, "waiting": 1, "completed": 8} | {field: 1.0}))
    before = sample("a", 0, rejected=5)
    spans, gaps = intervals(["a"], scrape(0, before), scrape(15, now))
    assert spans["a"].growth["running"] == 4, "what ran before the restart is gone"
    assert "restarted" in gaps[0].reason


def test_a_sum_that_lost_a_shard_is_no_burst() -> None:
    before, now = sample("a", 0, completed=1_000_000), sample("a", 15, completed=750_000)
    spans, gaps = intervals(["a"], scrape(0, before), scrape(15, now))
    assert spans == {}
    assert "cannot have reached" in gaps[0].reason


def test_a_restart_is_judged_by_the_busiest_other_replica() -> None:
    restarted = ReplicaSample("a", 10, running=4, waiting=1, completed=2500)
    before = scrape(0, sample("a", 0, completed=5000), sample("b", 0))
    spans, _ = intervals(["a", "b"], before, scrape(10, restarted, sample("b", 10, completed=1000)))
    assert set(spans) == {"a", "b"}
    spans, _ = intervals(["a", "b"], before, scrape(10, restarted, sample("b", 10, completed=10)))
    assert set(spans) == {"b"}


def test_the_same_sample_again_is_no_interval() -> None:
    spans, gaps = intervals(["a"], scrape(0, sample("a", -2)), scrape(5, sample("a", -2)))
    assert spans == {}
    assert "no new sample" in gaps[0].reason


@pytest.mark.parametrize("field", ["running", "waiting", "completed"])
def test_half_a_sample_is_no_interval(field: str) -> None:
    whole, half = sample("a", 0), sample("a", 15, **{field: None})
    assert intervals(["a"], scrape(0, whole), scrape(15, half))[0] == {}


def test_what_an_engine_never_tells_is_absent() -> None:
    before, now = sample("a", 0, cached_tokens=None), sample("a", 15, cached_tokens=None)
    spans, gaps = intervals(["a"], scrape(0, before), scrape(15, now))
    assert gaps == ()
    assert spans["a"].per_s("cached_tokens") is None


counts = st.dictionaries(st.sampled_from(COUNTERS), st.floats(0, 1e6), min_size=len(COUNTERS))


@given(counts, counts)
def test_no_counter_ever_grows_backwards(before: dict[str, float], now: dict[str, float]) -> None:
    start = ReplicaSample("a", 0, running=1, waiting=1, **before)
    end = ReplicaSample("a", 15, running=1, waiting=1, **now)
    spans, gaps = intervals(["a"], scrape(0, start), scrape(15, end))
    assert spans or gaps
    assert all(span.growth[name] >= 0 for span in spans.values() for name in COUNTERS)
