"""The plan in the simulator, and the search for the smallest fleet that keeps the promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.planning.carry import Carried, carry
from autoscaler.planning.confirm import Confirmed, busiest, confirm, drawn, played, smallest
from autoscaler.planning.traffic import of_numbers, of_series
from autoscaler.policy import Routing
from forecasting.series import Series
from runtime.traces import Trace
from tests.autoscaler.planning.cases import STEP, asked, candidate


@given(st.integers(1, 60), st.integers(1, 200))
def test_the_smallest_fleet_is_found(planned: int, truth: int) -> None:
    tried: list[int] = []

    def keeps(count: int) -> bool:
        tried.append(count)
        return count >= truth

    most = 2 * planned
    assert smallest(planned, most, keeps) == (truth if truth <= most else None)
    assert all(1 <= count <= most for count in tried) and tried[0] == planned


def test_the_busiest_minutes_begin_at_zero() -> None:
    at = np.concatenate([np.arange(0, 2000, 100.0), 2000 + np.arange(0, 500, 1.0), np.arange(2500, 4000, 100.0)])
    ones = np.ones(len(at), np.int32)
    part = busiest(Trace("t", at, ones, ones), STEP)
    assert part.arrival_s[0] == 0 and part.duration_s <= 600 and part.requests >= 500


def test_a_short_trace_is_played_whole() -> None:
    trace = Trace("t", np.array([0.0, 9.0]), np.ones(2, np.int32), np.ones(2, np.int32))
    assert busiest(trace, STEP) is trace


def test_what_is_drawn_has_the_peaks_rate_and_lengths() -> None:
    trace = drawn(of_numbers(10.0, 1000.0, 200.0, 2.0), STEP, 1.0, seed=1)
    assert trace.requests / trace.duration_s == pytest.approx(20.0, rel=0.05)
    assert trace.input_tokens.mean() == pytest.approx(1000, rel=0.05)
    assert trace.output_tokens.std() == pytest.approx(200, rel=0.1)
    assert np.array_equal(trace.arrival_s, drawn(of_numbers(10.0, 1000.0, 200.0, 2.0), STEP, 1.0, seed=1).arrival_s)


def test_busy_is_what_makes_work_and_not_how_many_ask() -> None:
    """Twenty long answers against a hundred short ones."""
    at = np.concatenate([np.arange(0, 500, 5.0), 2000 + np.arange(0, 500, 25.0)])
    outputs = np.where(at < 1000, 1, 1000).astype(np.int32)
    part = busiest(Trace("t", at, np.ones(len(at), np.int32), outputs), STEP)
    assert set(part.output_tokens) == {1000}
    series = Series("s", 0, np.array([100.0, 20.0]), np.array([100.0, 20.0]), np.array([100.0, 20000.0]))
    assert drawn(of_series(series), STEP, 0.0, 1).output_tokens[0] == 1000


def test_lengths_all_alike() -> None:
    trace = drawn(of_numbers(5.0, 300.0, 20.0), STEP, 0.0, seed=1)
    assert set(trace.input_tokens) == {300} and set(trace.output_tokens) == {20}


def test_a_plan_is_played_and_its_row_kept() -> None:
    traffic = of_numbers(4.0, 500.0, 50.0)
    made = carry(candidate(), traffic, asked())
    assert isinstance(made, Carried)
    heard: list[float] = []
    told = confirm(made, drawn(traffic, STEP, 0.0, 1), asked(), 0, heard.append)
    assert told.planned == made.peak_replicas and told.run["policy"] == f"static-{told.planned}"
    assert told.kept and told.run["attainment"] >= told.target and heard


def test_a_fleet_that_cannot_keep_the_promise_is_told() -> None:
    traffic = of_numbers(4.0, 500.0, 50.0)
    made = carry(candidate(), traffic, asked())
    assert isinstance(made, Carried)
    told = confirm(made, drawn(traffic, STEP, 0.0, 1), asked(ttft_s=0.01), 0)
    assert told.enough is None and not told.kept


def test_cached_prompts_are_cached_in_the_simulator() -> None:
    traffic = of_numbers(4.0, 2000.0, 20.0)
    made = carry(candidate(), traffic, asked(cached=0.5))
    assert isinstance(made, Carried)
    told = confirm(made, drawn(traffic, STEP, 0.0, 1), asked(cached=0.5), 0)
    assert told.run["prefix_hit_rate"] == pytest.approx(0.5, abs=0.02)


def test_what_is_sent_blindly_is_played_so() -> None:
    traffic, want = of_numbers(8.0, 2000.0, 50.0), asked(ttft_s=0.6)
    made = carry(candidate(), traffic, want)
    assert isinstance(made, Carried)
    trace = drawn(traffic, STEP, 0.0, 1)
    shared, blind = (played(made, trace, replace(want, routing=routing), 3, 0)["attainment"] for routing in Routing)
    assert blind < shared


def test_what_the_simulator_needs_changes_the_cost_alike() -> None:
    assert Confirmed(10, 12, 0.99, {}).usd_per_million(0.5) == pytest.approx(0.6)
    assert Confirmed(10, 8, 0.99, {}).kept and not Confirmed(10, 12, 0.99, {}).kept
    assert Confirmed(10, None, 0.99, {}).usd_per_million(0.5) is None
