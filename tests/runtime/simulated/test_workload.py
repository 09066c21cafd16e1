"""Workloads: the same requests in any slices, with the rates, bursts and lengths that were asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.pool import StepTime
from runtime.simulated.workload import (
    Arrivals,
    ServiceLoad,
    SyntheticWorkload,
    TracesWorkload,
    TraceWorkload,
    Workload,
    default_services,
)
from runtime.traces import Trace

MONDAY_S = datetime(2026, 11, 23, 8, 40, tzinfo=UTC).timestamp()
H100_TP2 = StepTime(16.55, 0.041, 0.0581, 68.7)
FLAT = ServiceLoad("flat", 5.0, 5.0, 12.0, 4.0, 1.0, 500, 1.0, 100, 0.5)
SYNTHETIC = SyntheticWorkload(default_services(), MONDAY_S, seed=3)
TRACE = TraceWorkload(
    Trace("t", np.array([0.0, 0.5, 0.5, 2.0]), np.array([1, 2, 3, 4], np.int32), np.array([5, 6, 7, 8], np.int32)),
    "chat",
    MONDAY_S,
)


def joined(parts: list[Arrivals]) -> Arrivals:
    """Slices laid end to end."""
    return Arrivals(
        np.concatenate([p.arrival_s for p in parts]),
        np.concatenate([p.input_tokens for p in parts]),
        np.concatenate([p.output_tokens for p in parts]),
        np.concatenate([p.service for p in parts]),
    )


def same(a: Arrivals, b: Arrivals) -> bool:
    """Equal, array by array."""
    return all(
        np.array_equal(x, y)
        for x, y in (
            (a.arrival_s, b.arrival_s),
            (a.input_tokens, b.input_tokens),
            (a.output_tokens, b.output_tokens),
            (a.service, b.service),
        )
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([TRACE, SYNTHETIC]), st.lists(st.floats(0, 400), min_size=2, max_size=8))
def test_slices_make_up_the_whole(workload: Workload, cuts: list[float]) -> None:
    at = [MONDAY_S + cut for cut in sorted(cuts)]
    whole = workload.arrivals(at[0], at[-1])
    assert same(joined([workload.arrivals(a, b) for a, b in pairwise(at)]), whole)
    assert (np.diff(whole.arrival_s) >= 0).all()
    assert ((whole.arrival_s >= at[0]) & (whole.arrival_s < at[-1])).all()


@pytest.mark.parametrize("workload", [TRACE, SYNTHETIC])
def test_nothing_comes_before_the_start_or_in_no_time(workload: Workload) -> None:
    assert len(workload.arrivals(MONDAY_S - 600, MONDAY_S)) == 0
    assert len(workload.arrivals(MONDAY_S + 60, MONDAY_S + 60)) == 0


def test_a_trace_is_given_out_once_and_whole() -> None:
    assert TRACE.end_s is not None
    got = TRACE.arrivals(MONDAY_S, TRACE.end_s)
    assert (got.arrival_s - MONDAY_S).tolist() == [0.0, 0.5, 0.5, 2.0]
    assert got.input_tokens.tolist() == [1, 2, 3, 4]
    assert got.service.tolist() == [0, 0, 0, 0]
    assert len(TRACE.arrivals(TRACE.end_s, TRACE.end_s + 1e6)) == 0
    assert TRACE.past(24) == {}


def test_the_seed_decides_and_the_service_order_does_not() -> None:
    def chat(seed: int, *services: ServiceLoad) -> list[float]:
        got = SyntheticWorkload(services, MONDAY_S, seed).arrivals(MONDAY_S, MONDAY_S + 300)
        names = [s.name for s in services]
        return [float(t) for t in got.arrival_s[got.service == names.index("chat")]]

    a, b, c = default_services()
    assert chat(1, a, b, c) == chat(1, c, b, a) == chat(1, a)
    assert chat(1, a) != chat(2, a)


def test_the_past_counts_what_would_have_arrived() -> None:
    earlier = SyntheticWorkload(default_services(), MONDAY_S - 7200, seed=3)
    arrived = earlier.arrivals(MONDAY_S - 7200, MONDAY_S)
    for i, name in enumerate(SYNTHETIC.services):
        rows = np.array(SYNTHETIC.past(2)[name])
        times = arrived.arrival_s[arrived.service == i]
        counts = np.histogram(times, bins=np.arange(MONDAY_S - 7200, MONDAY_S + 1, 60))[0]
        assert rows[:, 0].tolist() == np.arange(MONDAY_S - 7140, MONDAY_S + 1, 60).tolist()
        assert rows[:, 1].tolist() == pytest.approx(counts / 60)


def test_the_past_has_mean_lengths_that_vary_as_the_real_ones_do() -> None:
    start_s, hours = MONDAY_S - 10 * 3600, 10
    arrived = SyntheticWorkload([FLAT], start_s, 1).arrivals(start_s, MONDAY_S)
    past = np.array(SyntheticWorkload([FLAT], MONDAY_S, 1).past(hours)["flat"])
    minute = ((arrived.arrival_s - start_s) // 60).astype(int)
    means = np.bincount(minute, arrived.input_tokens) / np.bincount(minute)
    assert past[:, 2].mean() == pytest.approx(means.mean(), rel=0.03)
    assert past[:, 2].std() == pytest.approx(means.std(), rel=0.2)


def test_a_minute_without_requests_has_the_usual_lengths() -> None:
    rare = replace(FLAT, base_rps=1e-4, peak_rps=1e-4)
    rows = np.array(SyntheticWorkload([rare], MONDAY_S, 1).past(24)["flat"])
    empty = rows[rows[:, 1] == 0]
    assert len(empty) > 1300
    assert set(map(tuple, empty[:, 2:].tolist())) == {(500.0, 100.0)}


@pytest.mark.parametrize("spec", default_services(), ids=lambda spec: spec.name)
def test_the_mean_rate_is_the_expected_one(spec: ServiceLoad) -> None:
    rows = np.array(SyntheticWorkload([spec], MONDAY_S, 5).past(4 * 168)[spec.name])
    assert rows[:, 1].mean() == pytest.approx(spec.expected_rps(rows[:, 0] - 30).mean(), rel=0.03)


def test_lengths_have_their_means_and_a_heavy_tail() -> None:
    start_s = MONDAY_S - 24 * 3600
    got = SyntheticWorkload([FLAT], start_s, 2).arrivals(start_s, start_s + 6 * 3600)
    assert got.input_tokens.mean() == pytest.approx(500, rel=0.03)
    assert got.input_tokens.std() == pytest.approx(500, rel=0.1)
    assert got.output_tokens.mean() == pytest.approx(100, rel=0.03)
    assert got.input_tokens.max() > 10 * 500
    assert got.input_tokens.min() >= 1 and got.output_tokens.min() >= 1


def dispersion(burstiness: float) -> float:
    """Variance of the counts per minute over their mean: 1 for a Poisson process."""
    spec = replace(FLAT, burstiness=burstiness)
    rows = np.array(SyntheticWorkload([spec], MONDAY_S, 4).past(168)["flat"])
    counts = rows[:, 1] * 60
    expected = spec.expected_rps(rows[:, 0] - 30) * 60
    return float(((counts - expected) ** 2 / expected).mean())


def test_burstiness_zero_is_poisson_and_more_is_burstier() -> None:
    assert dispersion(0) == pytest.approx(1, abs=0.05)
    assert 3 < dispersion(1) < dispersion(2)


def test_the_week_has_its_shape() -> None:
    """Peaks recur daily, the base lies between them, and the weekend is quieter."""
    spec = replace(FLAT, peak_rps=20.0, weekend_factor=0.5, more_peak_hours_utc=(20.0,))
    day = np.arange(24.0) * 3600 + datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    monday, tuesday, sunday = (spec.expected_rps(day + offset * 86400) for offset in (0, 1, -1))
    assert monday[12] == monday[20] == 20.0
    assert 4 < monday[8] < 6
    assert monday[6:] == pytest.approx(tuesday[6:])
    assert sunday[12] == 10.0


def test_the_demo_climbs_threefold_soon_after_it_starts() -> None:
    """Chat offers what three replicas carry at 08:40, starts to rise within 30 minutes, and has tripled by 09:45."""
    chat = default_services()[0]
    rate = chat.expected_rps(MONDAY_S + np.arange(0, 66) * 60.0)
    work_ms = H100_TP2.work_ms(chat.mean_input_tokens, chat.mean_output_tokens)
    assert rate[0] * work_ms / 1000 / 0.6 == pytest.approx(2.7, abs=0.4)
    assert rate[-1] * work_ms / 1000 / 0.6 == pytest.approx(8.5, abs=1.0)
    assert rate[20] < 1.1 * rate[0] < rate[32]
    assert 2.7 < rate[-1] / rate[0] < 3.5


def test_traces_side_by_side_are_each_one_s_own_requests_in_order_of_arrival() -> None:
    one = Trace("a", np.array([0.0, 1.0]), np.array([1, 2], np.int32), np.array([1, 1], np.int32))
    other = Trace("b", np.array([0.5, 3.0]), np.array([8, 9], np.int32), np.array([1, 1], np.int32))
    both = TracesWorkload({"a": one, "b": other}, MONDAY_S)
    taken = both.arrivals(MONDAY_S, MONDAY_S + 2)
    assert taken.input_tokens.tolist() == [1, 8, 2] and taken.service.tolist() == [0, 1, 0]
    assert both.end_s is not None and len(both.arrivals(MONDAY_S, both.end_s)) == 4
