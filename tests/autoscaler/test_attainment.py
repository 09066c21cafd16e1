"""The share that kept the promise: it grows with the target, and says nothing where nothing is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.attainment import attainment, estimated, sample, share_within
from autoscaler.policy import Slo
from collectors.observation import Histogram, Observation
from tests.autoscaler.cases import NOW_S

BOUNDS = (1.0, 2.0, 4.0, math.inf)
SLO = Slo(ttft_s=1.0)


def seen(**known: object) -> Observation:
    return Observation("chat", NOW_S, 15.0, **{"valid": True, **known})  # type: ignore[arg-type]


def half(count: float) -> Histogram:
    """So many first tokens, half of them within a second."""
    return Histogram(BOUNDS, (count / 2, count, count, count), count)


@pytest.mark.parametrize(
    ("target", "share"), [(0.0, 0.0), (0.5, 0.25), (1.0, 0.5), (1.5, 0.65), (2.0, 0.8), (4.0, 0.9), (9.0, 0.9)]
)
def test_the_share_is_interpolated_within_a_bucket(target: float, share: float) -> None:
    histogram = Histogram(BOUNDS, (5.0, 8.0, 9.0, 10.0), 15.0)
    assert share_within(histogram, target) == pytest.approx(share)


@given(st.lists(st.floats(0, 100), min_size=4, max_size=4), st.floats(0, 10), st.floats(0, 10))
def test_the_share_is_a_share_and_grows_with_the_target(steps: list[float], a: float, b: float) -> None:
    counts = tuple(sum(steps[: i + 1]) for i in range(4))
    low, high = (share_within(Histogram(BOUNDS, counts, 1.0), target) for target in sorted((a, b)))
    assert (low is None) == (high is None)
    if low is not None and high is not None:
        assert 0 <= low <= high <= 1


def test_no_requests_have_no_share() -> None:
    assert share_within(None, 1.0) is None
    assert share_within(Histogram(BOUNDS, (0.0,) * 4, 0.0), 1.0) is None


def test_attainment_is_the_worse_of_the_two() -> None:
    ttft = Histogram(BOUNDS, (10.0, 10.0, 10.0, 10.0), 5.0)
    tpot = Histogram((0.05, 0.1, math.inf), (6.0, 10.0, 10.0), 0.5)
    assert attainment(seen(ttft=ttft, tpot=tpot), Slo(ttft_s=1.0, tpot_s=0.05)) == pytest.approx(0.6)
    assert attainment(seen(ttft=ttft), Slo(ttft_s=1.0)) == pytest.approx(1.0)
    assert attainment(seen(), Slo()) is None


def test_a_longer_prompt_may_take_longer() -> None:
    ttft = Histogram(BOUNDS, (0.0, 10.0, 10.0, 10.0), 15.0)
    slo = Slo(ttft_s=1.0, ttft_s_per_1k_tokens=0.5)
    assert attainment(seen(ttft=ttft), slo) == pytest.approx(0.0)
    assert attainment(seen(ttft=ttft, mean_input_tokens=2000.0), slo) == pytest.approx(1.0)


def test_rejected_requests_are_late() -> None:
    found = sample(seen(ttft=half(30.0), completed_per_s=2.0, rejected_per_s=1.0), SLO)
    assert found is not None
    assert (found.requests, found.late) == pytest.approx((45.0, 15.0 + 15.0))


def test_waiting_with_nobody_served_is_late() -> None:
    stuck = sample(seen(held=9.0, arrivals_per_s=2.0), SLO)
    assert stuck is not None and stuck.late == stuck.requests == pytest.approx(30.0)
    assert sample(seen(held=9.0, arrivals_per_s=2.0), Slo(ttft_s=60.0)) is None


def test_nothing_known_is_nothing_said() -> None:
    assert sample(seen(), SLO) is None
    assert sample(seen(completed_per_s=0.0), SLO) is None
    assert sample(seen(valid=False, ttft=half(30.0), completed_per_s=2.0), SLO) is None


@given(st.floats(0, 100), st.floats(0, 10), st.floats(0, 10), st.floats(0, 20))
def test_never_more_late_than_there_are(count: float, completed: float, rejected: float, held: float) -> None:
    found = sample(seen(ttft=half(count), completed_per_s=completed, rejected_per_s=rejected, held=held), SLO)
    assert found is None or 0 <= found.late <= found.requests


def test_what_the_router_counted_comes_before_what_histograms_tell() -> None:
    told = sample(seen(ttft=half(10.0), completed_per_s=1.0, ended_per_s=4.0, attained_per_s=3.0), SLO)
    assert told is not None and (told.requests, told.late) == (60.0, 15.0)
    assert told.counted


def test_the_share_is_as_counted_where_somebody_counts() -> None:
    assert attainment(seen(ttft=half(10.0), ended_per_s=4.0, attained_per_s=3.0), SLO) == 0.75
    assert estimated(seen(ttft=half(10.0), ended_per_s=4.0, attained_per_s=3.0), SLO) == 0.5
    assert attainment(seen(ttft=half(10.0), ended_per_s=0.0, attained_per_s=0.0), SLO) is None


def test_an_early_first_token_leaves_time_for_the_rest() -> None:
    ttft = Histogram(BOUNDS, (10.0, 10.0, 10.0, 10.0), 5.0)
    tpot = Histogram((0.05, 0.1, math.inf), (6.0, 10.0, 10.0), 0.5)
    slo = Slo(ttft_s=1.0, tpot_s=0.05)
    # Half a second early over ten gaps is 0.05 s a token more: all tokens within 0.1 s are in time.
    assert estimated(seen(ttft=ttft, tpot=tpot, mean_output_tokens=11.0), slo) == pytest.approx(1.0)
    assert estimated(seen(ttft=ttft, tpot=tpot, mean_output_tokens=1e6), slo) == pytest.approx(0.6, abs=1e-3)
    assert estimated(seen(tpot=tpot, mean_output_tokens=11.0), slo) == pytest.approx(0.6)
