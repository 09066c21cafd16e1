"""Traffic: four sums per step, from numbers, series and traces, and the load that follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.planning.traffic import of_numbers, of_series, of_trace
from forecasting.series import Series, read
from runtime.pool import StepTime
from runtime.traces import Trace
from tests.autoscaler.planning.cases import STEP


def test_numbers_alone_are_one_step() -> None:
    made = of_numbers(10.0, 1000.0, 200.0)
    assert (made.mean_rps, made.peak_rps) == (10.0, 10.0)
    assert (made.mean_input_tokens, made.mean_output_tokens, made.tokens_per_s) == (1000.0, 200.0, 12000.0)


def test_load_is_work_per_second_by_hand() -> None:
    """75·1 + 200·(0.05 + 0.06·(1000 + 100)/1000) = 98.2 ms a request; ten a second are 0.982 erlangs."""
    made = of_numbers(10.0, 1000.0, 200.0, length_cv=0.0)
    assert made.erlangs(STEP) == pytest.approx([0.982])
    assert made.erlangs(STEP) == pytest.approx([10 * STEP.work_ms(1000, 200) / 1000])


def test_cached_prompts_cost_no_prefill() -> None:
    made = of_numbers(10.0, 1000.0, 200.0, length_cv=0.0)
    assert made.erlangs(STEP, cached=0.5) == pytest.approx([0.982 - 10 * 37.5 / 1000])


def test_varied_lengths_read_more() -> None:
    """O² is 2·200² with a coefficient of 1: 0.06·200²/2/1000 = 1.2 ms more a request."""
    alike, varied = (of_numbers(10.0, 1000.0, 200.0, length_cv=cv).erlangs(STEP)[0] for cv in (0.0, 1.0))
    assert varied - alike == pytest.approx(10 * 1.2 / 1000)


@given(st.floats(1.01, 60.0), st.floats(0.01, 1e4))
def test_a_day_has_the_mean_and_the_peak_that_are_asked_for(peak_to_mean: float, rps: float) -> None:
    day = of_numbers(rps, 100.0, 100.0, peak_to_mean)
    assert day.mean_rps == pytest.approx(rps, rel=1e-3)
    assert day.peak_rps == pytest.approx(rps * peak_to_mean, rel=1e-3)
    assert (day.requests >= 0).all()


def test_a_series_without_its_gaps() -> None:
    nan = float("nan")
    series = Series(
        "s", 0, np.array([60.0, nan, 120.0]), np.array([6e4, nan, 6e4]), np.array([6e3, nan, 6e3]), ("gap",)
    )
    made = of_series(series, 0.0)
    assert made.requests == pytest.approx([1.0, 2.0])
    assert made.erlangs(STEP) == pytest.approx([STEP.work_ms(1000, 100) / 1000, 2 * STEP.work_ms(500, 50) / 1000])
    assert made.notes[0] == "gap"


def test_minutes_without_requests_are_zero(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("minute,requests,input_tokens,output_tokens\n0,1,10,10\n1,0,0,0\n")
    assert of_series(read(path)).requests == pytest.approx([1 / 60, 0.0])


def trace(*at_s: float, outputs: int = 100) -> Trace:
    count = len(at_s)
    return Trace("t", np.array(at_s), np.full(count, 1000, np.int32), np.full(count, outputs, np.int32))


def test_a_trace_is_cut_into_its_whole_minutes() -> None:
    made = of_trace(trace(0.0, 10.0, 70.0, 119.0, 120.0, 130.0))
    assert made.requests == pytest.approx([2 / 60, 2 / 60])
    assert made.erlangs(STEP) == pytest.approx([2 / 60 * STEP.work_ms(1000, 100) / 1000] * 2)


def test_a_short_trace_is_one_step() -> None:
    made = of_trace(trace(0.0, 5.0, 19.0))
    assert made.step_s == 19.0 and made.requests == pytest.approx([2 / 19])


def test_a_trace_keeps_the_second_moment_of_its_lengths() -> None:
    one = Trace("t", np.array([0.0, 1.0, 60.0]), np.ones(3, np.int32), np.array([1, 199, 1], np.int32))
    reading = StepTime(1.0, 0.0, 1.0, 0.0)
    assert of_trace(one).erlangs(reading)[0] == pytest.approx((1.5 + 199 * 100.5) / 60 / 1e6)


def test_a_long_request_is_the_p99_of_a_trace_or_the_mean() -> None:
    lengths = np.arange(1, 102, dtype=np.int32)
    one = Trace("t", np.arange(101.0), lengths, lengths)
    assert of_trace(one).long_tokens == pytest.approx(2 * (1 + 0.99 * 59))
    assert of_numbers(1.0, 900.0, 100.0).long_tokens == pytest.approx(1000)
