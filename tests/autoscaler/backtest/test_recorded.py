"""A trace made of sums: as many requests a step as there were, as long as they were, and none in a hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.growth import Array
from autoscaler.backtest.recorded import HistoryError, Hole, Steps, draw, holes, lengths, means, trace_of
from collectors.observation import Histogram

NAN = float("nan")
INPUTS = Histogram((100.0, 1000.0, 10_000.0, float("inf")), (20.0, 80.0, 100.0, 100.0), 0.0)
OUTPUTS = Histogram((10.0, 100.0, 1000.0, float("inf")), (10.0, 50.0, 100.0, 100.0), 0.0)


def steps(arrivals: list[float], inputs: float = 1500.0, outputs: float = 200.0, start_s: float = 6000.0) -> Steps:
    """Steps in which as many finish as arrive."""
    came = np.array(arrivals)
    return Steps(start_s, 60.0, came, came, inputs * came, outputs * came)


def per_step(at_s: Array, n: int) -> list[int]:
    return np.bincount((at_s // 60).astype(int), minlength=n).tolist()


@given(st.lists(st.integers(0, 40) | st.just(NAN), min_size=5, max_size=40), st.integers(0, 100))
def test_each_step_has_its_requests_and_its_means(arrivals: list[float], seed: int) -> None:
    of = steps(arrivals)
    if np.isnan(arrivals).mean() > 0.5 or np.nansum(arrivals) < 2:
        with pytest.raises(HistoryError):
            trace_of("chat", of, INPUTS, OUTPUTS, seed)
        return
    trace = trace_of("chat", of, INPUTS, OUTPUTS, seed)
    assert trace.start_s is not None and trace.arrival_s[0] == 0
    assert per_step(trace.arrival_s + trace.start_s - of.start_s, len(arrivals)) == np.nan_to_num(arrivals).tolist()
    assert (np.diff(trace.arrival_s) >= 0).all()
    assert trace.input_tokens.mean() == pytest.approx(1500, rel=0.01)
    assert trace.output_tokens.mean() == pytest.approx(200, rel=0.01)


def test_the_seed_decides_everything() -> None:
    of = steps([30.0] * 20)
    one, same, other = (trace_of("chat", of, INPUTS, OUTPUTS, seed) for seed in (1, 1, 2))
    for column in ("arrival_s", "input_tokens", "output_tokens"):
        assert (getattr(one, column) == getattr(same, column)).all()
        assert (getattr(one, column) != getattr(other, column)).any()


def test_each_step_has_its_own_mean() -> None:
    came = np.full(6, 200.0)
    tokens = came * np.array([400, 800, 1600, 800, 400, 200])
    of = Steps(0.0, 60.0, came, came, tokens, tokens / 10)
    trace = trace_of("chat", of, INPUTS, OUTPUTS, 0)
    step = ((trace.arrival_s + (trace.start_s or 0.0)) // 60).astype(int)
    assert np.bincount(step, trace.input_tokens) == pytest.approx(tokens, rel=0.01)
    assert np.bincount(step, trace.output_tokens) == pytest.approx(tokens / 10, rel=0.01)


@pytest.mark.parametrize(
    ("arrivals", "found"),
    [
        ([1, 2, 3], []),
        ([NAN, 2, NAN, NAN, 1], [(6000, 6060), (6120, 6240)]),
        ([1, NAN], [(6060, 6120)]),
    ],
)
def test_holes_are_named(arrivals: list[float], found: list[tuple[float, float]]) -> None:
    assert holes(steps(arrivals)) == tuple(Hole(*pair) for pair in found)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (steps([1.0] * 4), r"chat: 4 step\(s\) of 60 s; give a span of 5 or more"),
        (steps([1.0, 1.0, NAN, NAN, NAN]), "chat: 3 of 5 steps of 60 s have no data"),
        (steps([0.0] * 9), "fewer than 2 requests"),
        (replace(steps([9.0] * 9), finished=np.zeros(9)), "fewer than 2 requests"),
    ],
)
def test_what_says_too_little_is_refused_in_a_line(of: Steps, said: str) -> None:
    with pytest.raises(HistoryError, match=said) as caught:
        trace_of("chat", of, INPUTS, OUTPUTS, 0)
    assert "\n" not in str(caught.value)


def test_without_a_histogram_lengths_are_the_steps_mean_and_a_note_says_so() -> None:
    trace = trace_of("chat", steps([5.0] * 5), None, OUTPUTS, 0)
    assert set(trace.input_tokens.tolist()) == {1500}
    assert trace.notes == ("no histogram of input lengths: every request has its step's mean",)


def test_where_nothing_finished_the_mean_is_the_whole_spans() -> None:
    tokens, finished = np.array([100.0, 0.0, 900.0, NAN, 3.0]), np.array([1.0, 0.0, 3.0, NAN, 6.0])
    assert means(tokens, finished).tolist() == [100, 100.3, 300, 100.3, 1]


def test_lengths_are_spread_as_the_histogram_says() -> None:
    drawn, longest = draw(np.random.default_rng(0), INPUTS, 100_000)
    assert longest == 10_000
    assert np.mean(drawn <= 100) == pytest.approx(0.2, abs=0.01)
    assert np.mean(drawn <= 1000) == pytest.approx(0.8, abs=0.01)
    assert np.mean(drawn <= 10**2.5) == pytest.approx(0.5, abs=0.01), "log-uniform within a bucket"


def test_beyond_the_last_bound_lengths_end() -> None:
    drawn, longest = draw(np.random.default_rng(0), Histogram((1000.0, float("inf")), (0.0, 9.0), 0.0), 1000)
    assert longest == 2000 and 1000 <= drawn.min() <= drawn.max() <= 2000


@given(st.floats(1, 20_000), st.integers(1, 300))
def test_lengths_are_whole_positive_and_no_longer_than_was_seen(mean: float, n: int) -> None:
    made = lengths(np.random.default_rng(0), np.zeros(n, np.int64), np.array([mean]), INPUTS)
    assert made.min() >= 1 and made.max() <= max(10_000, round(mean))
    assert made.mean() == pytest.approx(mean, rel=0.02, abs=0.6)
