"""What a candidate needs for the traffic: by hand, and what must hold whatever the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.capacity import replicas_for
from autoscaler.planning.candidates import Refusal
from autoscaler.planning.carry import Asked, Carried, carry, filling_s, hold
from autoscaler.planning.splits import Split
from autoscaler.planning.traffic import Traffic, of_numbers
from autoscaler.policy import Routing, Slo
from runtime.pool import StepTime
from tests.autoscaler.planning.cases import STEP, asked, candidate, offer

TEN = of_numbers(10.0, 1000.0, 200.0, length_cv=0.0)


def carried(traffic: Traffic = TEN, want: Asked | None = None, step: StepTime = STEP) -> Carried:
    made = carry(candidate(step), traffic, want or asked())
    assert isinstance(made, Carried)
    return made


def test_by_hand() -> None:
    """0.982 erlangs; ρ_max 1 − 20/50 = 0.6; O·a/(1−ρ)/w = 101.8 in service per erlang: (0.982 + 0.098)/0.6 = 1.8."""
    made = carried()
    assert made.rho.binding == "tpot" and made.rho.value == pytest.approx(0.6)
    assert made.needed.tolist() == [2] and made.peak_replicas == 2 and made.mean_replicas == 2.0
    assert made.usd_per_hour == 2 * 2 * 3.0
    assert made.millions_per_hour == pytest.approx(10 * 1200 * 3600 / 1e6)
    assert made.usd_per_million == pytest.approx(12 / 43.2)
    assert made.rps == pytest.approx(0.6 / 0.0982)
    assert (made.idle_tpot_s, made.full_tpot_s) == pytest.approx((0.020, 0.050))


def test_the_band_is_what_wrong_step_times_cost() -> None:
    busy = of_numbers(200.0, 1000.0, 200.0, length_cv=0.0)
    made = carried(busy)
    assert made.usd_low is not None and made.usd_high is not None
    assert made.usd_low < made.usd_per_million < made.usd_high
    assert made.usd_high == pytest.approx(carried(busy, step=StepTime(22.0, 0.055, 0.066, 82.5)).usd_per_million)


def test_a_promise_that_an_error_breaks_has_no_upper_end() -> None:
    made = carry(candidate(error=0.2), TEN, asked(tpot_s=0.0225))
    assert isinstance(made, Carried) and made.usd_high is None and made.usd_low is not None


@pytest.mark.parametrize(
    ("want", "limit", "reason"),
    [
        (asked(tpot_s=0.015), "tpot", "a token takes 21.1 ms on an almost idle replica; target 15 ms"),
        (asked(ttft_s=0.05), "ttft", "the first token takes 0.11 s on an almost idle replica; target 0.05 s"),
    ],
)
def test_a_hopeless_promise_is_refused_with_the_number(want: Asked, limit: str, reason: str) -> None:
    made = carry(candidate(), TEN, want)
    assert isinstance(made, Refusal) and made.limit == limit and made.reason.startswith(reason)


def test_requests_too_large_for_the_cache_are_refused() -> None:
    made = carry(candidate(), of_numbers(1.0, 500_000.0, 200.0), asked(ttft_s=600))
    assert isinstance(made, Refusal) and made.limit == "kv"
    assert made.reason == "240,000 tokens of KV cache (36.7 GiB a GPU) do not hold a request of 500,200"


def test_stages_fill_one_after_another() -> None:
    """Two stages of 37.5 ms per 1,000 tokens: the second one's 37.5 ms come on top, and end a tight promise."""
    two = candidate(StepTime(20.0, 0.05, 0.06, 37.5), split=Split(2, 2))
    assert filling_s(two, 1000) == pytest.approx(0.0375)
    late = carry(two, TEN, asked(ttft_s=0.03))
    assert isinstance(late, Refusal) and "through its stages" in late.reason


def test_fewer_than_the_minimum_are_never_held() -> None:
    made = carried(of_numbers(0.01, 100.0, 100.0), Asked(Slo(), fewest=3))
    assert made.needed.tolist() == [3] and made.firm.tolist() == [3]


def test_what_survives_a_loss_is_bound_by_memory_and_stability() -> None:
    made = carried()
    assert hold(made.rho) == min(0.95, made.rho.limits["kv"])
    tight = carried(of_numbers(1.0, 200.0, 8000.0))
    assert tight.rho.binding == "kv" and hold(tight.rho) == tight.rho.value


def test_the_cost_of_spot_is_never_the_promise() -> None:
    """Of 40 requests/s, 3.93 erlangs need 7 replicas at 0.6 and 5 at 0.95: two may be spot."""
    price = offer(3.0, spot=1.0)
    made = carry(candidate(price=price), of_numbers(40.0, 1000.0, 200.0, length_cv=0.0), asked())
    assert isinstance(made, Carried)
    assert made.needed.tolist() == [7] and made.firm.tolist() == [5] and made.mix.spot_mean == 2


def test_needs_are_the_sizing_rules() -> None:
    made = carried(of_numbers(25.0, 700.0, 150.0, 3.0))
    assert made.needed.tolist() == [max(1, replicas_for(float(e), made.rho)) for e in made.load.erlangs]


RATES = st.floats(0.1, 300.0)
LENGTHS = st.floats(20.0, 4000.0)


@settings(deadline=None, max_examples=60)
@given(RATES, st.floats(1.0, 3.0), LENGTHS, LENGTHS, st.floats(1.0, 4.0))
def test_more_load_never_costs_less(rps: float, more: float, inputs: float, outputs: float, peak: float) -> None:
    less, greater = (carry(candidate(), of_numbers(r, inputs, outputs, peak), asked(10)) for r in (rps, rps * more))
    if isinstance(less, Carried) and isinstance(greater, Carried):
        assert greater.usd_per_hour >= less.usd_per_hour - 1e-9
        assert greater.mix.usd_per_hour >= less.mix.usd_per_hour - 1e-9
    assert isinstance(less, Carried) == isinstance(greater, Carried)


@settings(deadline=None, max_examples=60)
@given(RATES, LENGTHS, LENGTHS, st.floats(0.3, 5.0), st.floats(0.022, 0.2), st.floats(1.0, 3.0), st.floats(1.0, 3.0))
def test_a_looser_promise_never_costs_more(
    rps: float, inputs: float, outputs: float, ttft: float, tpot: float, later: float, slower: float
) -> None:
    traffic = of_numbers(rps, inputs, outputs)
    strict = carry(candidate(), traffic, asked(ttft, tpot))
    loose = carry(candidate(), traffic, asked(ttft * later, tpot * slower))
    if isinstance(strict, Carried):
        assert isinstance(loose, Carried) and loose.usd_per_hour <= strict.usd_per_hour + 1e-9


@settings(deadline=None, max_examples=30)
@given(RATES, st.floats(1.0, 4.0), st.floats(0.5, 2.9), st.floats(0.5, 2.9))
def test_a_mix_never_costs_more_than_all_on_demand(rps: float, peak: float, spot: float, reserved: float) -> None:
    made = carry(candidate(price=offer(3.0, spot, reserved)), of_numbers(rps, 800.0, 200.0, peak), asked())
    assert isinstance(made, Carried)
    assert made.mix.usd_per_hour <= made.usd_per_hour + 1e-9
    assert made.usd_per_million_mixed <= made.usd_per_million + 1e-9


@settings(deadline=None, max_examples=60)
@given(RATES, LENGTHS, LENGTHS, st.floats(0.3, 5.0), st.floats(1.0, 4.0))
def test_replicas_that_queue_for_themselves_are_never_fewer(
    rps: float, inputs: float, outputs: float, ttft: float, peak: float
) -> None:
    traffic, want = of_numbers(rps, inputs, outputs, peak), asked(ttft)
    shared, blind = (carry(candidate(), traffic, replace(want, routing=routing)) for routing in Routing)
    if isinstance(blind, Carried):
        assert isinstance(shared, Carried) and (blind.needed >= shared.needed).all()


def test_a_promise_that_only_a_shared_queue_keeps_is_refused_where_there_is_none() -> None:
    """What an almost idle replica by itself takes is more than the target, and is what the reason says."""
    traffic, want = of_numbers(200.0, 2000.0, 20.0), asked(0.23)
    assert isinstance(carry(candidate(), traffic, want), Carried)
    made = carry(candidate(), traffic, replace(want, routing=Routing.BLIND))
    assert isinstance(made, Refusal) and made.limit == "ttft"
