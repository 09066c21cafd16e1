"""Offered load and what a replica carries, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.capacity import (
    FLOOR,
    RhoMax,
    learned_rho_max,
    mean_work_ms,
    offered_erlangs,
    replicas_for,
    rho_max,
    work_correction,
)
from autoscaler.learning.law import BOUNDS, Learned
from autoscaler.policy import Routing, Slo
from autoscaler.queueing import STABLE, ttft_s
from tests.autoscaler.cases import POOL, observation

SLO = Slo()


def test_offered_load_is_arrivals_times_mean_work() -> None:
    # 68.7·1.5 + 300·(0.041 + 0.0581·1.65) = 103.05 + 12.3 + 28.7595 ms
    assert mean_work_ms(observation(), POOL) == pytest.approx(144.1095)
    assert offered_erlangs(observation(), POOL) == pytest.approx(1.152876)


def test_without_lengths_the_work_agrees_with_the_pools_own_law() -> None:
    assert mean_work_ms(observation(), POOL) == pytest.approx(POOL.step.work_ms(1500, 300))


def test_a_second_moment_above_the_square_of_the_mean_costs_more_reading() -> None:
    more = mean_work_ms(observation(output_tokens_second_moment=2 * 300.0**2), POOL)
    assert more == pytest.approx(144.1095 + 0.0581 * 300**2 / 2 / 1000)


def test_cached_tokens_cost_no_prefill() -> None:
    half = mean_work_ms(observation(input_tokens_per_s=100.0, cached_tokens_per_s=50.0), POOL)
    assert half == pytest.approx(144.1095 - 103.05 / 2)


def test_rejected_requests_are_not_counted_twice() -> None:
    assert offered_erlangs(observation(rejected_per_s=5.0), POOL) == offered_erlangs(observation(), POOL)


def test_no_arrivals_are_zero_and_unknown_ones_are_unknown() -> None:
    assert offered_erlangs(observation(arrivals_per_s=0.0, mean_input_tokens=None), POOL) == 0.0
    assert offered_erlangs(observation(arrivals_per_s=None), POOL) is None
    assert offered_erlangs(observation(mean_input_tokens=None), POOL) is None
    assert offered_erlangs(observation(mean_input_tokens=None), POOL, 100.0) == pytest.approx(0.8)


def test_tpot_limit_is_one_minus_a_over_target() -> None:
    rho = rho_max(POOL, SLO, 1500, 300)
    assert (rho.binding, rho.value) == ("tpot", pytest.approx(1 - 16.55 / 50))


def test_little_kv_memory_binds() -> None:
    rho = rho_max(replace(POOL, kv_blocks=800), SLO, 1500, 300)
    # ρ/(1 − ρ)·O·a/w sequences of 1,650 tokens fill nine tenths of 12,800 tokens
    sequences = rho.value / (1 - rho.value) * 300 * 16.55 / 144.1095
    assert rho.binding == "kv"
    assert sequences * 1650 == pytest.approx(0.9 * 12_800)


def test_few_sequences_bind() -> None:
    rho = rho_max(replace(POOL, max_num_seqs=8), SLO, 1500, 300)
    assert rho.binding == "seqs"
    assert rho.value / (1 - rho.value) * 300 * 16.55 / 144.1095 == pytest.approx(8)


def test_a_tight_ttft_binds_and_is_just_met() -> None:
    rho = rho_max(POOL, Slo(ttft_s=1.2), 4000, 100)
    assert rho.binding == "ttft"
    assert ttft_s(POOL, rho.value, 0.99, 4000, 100) == pytest.approx(1.2, rel=1e-3)


def test_a_target_out_of_reach_is_sized_at_the_floor_and_named() -> None:
    rho = rho_max(POOL, Slo(tpot_s=0.01), 1500, 300)
    assert (rho.value, rho.binding, rho.limits["tpot"]) == (FLOOR, "tpot", 0.0)


def test_unknown_lengths_leave_the_limits_that_need_none() -> None:
    assert set(rho_max(POOL, SLO, None, None).limits) == {"tpot", "stability"}


@given(st.floats(1, 30_000), st.floats(1, 8_000), st.floats(0.02, 1), st.floats(0.1, 60))
def test_rho_max_is_within_bounds_and_grows_with_the_targets(i: float, o: float, tpot: float, ttft: float) -> None:
    tight = rho_max(POOL, Slo(tpot_s=tpot, ttft_s=ttft), i, o)
    loose = rho_max(POOL, Slo(tpot_s=2 * tpot, ttft_s=2 * ttft), i, o)
    assert FLOOR <= tight.value <= loose.value <= STABLE


@given(st.floats(0, 1000), st.floats(0, 100), st.floats(0.05, 0.95), st.none() | st.floats(1, 1000))
def test_replicas_carry_the_load_and_grow_with_it(load: float, more: float, value: float, n: float | None) -> None:
    rho = RhoMax(value, "tpot", {}, n)
    assert replicas_for(load, rho) * value >= load - 1e-6
    assert replicas_for(load + more, rho) >= replicas_for(load, rho)


def test_replicas_of_the_worked_example() -> None:
    assert replicas_for(3.1, RhoMax(0.55, "tpot", {}, 60.0)) == 7
    assert replicas_for(3.1, RhoMax(0.55, "tpot", {})) == 6
    assert replicas_for(0.0, RhoMax(0.55, "tpot", {}, 60.0)) == 0


LONG = rho_max(POOL, Slo(ttft_s=1.2), 4000, 100)
"""Bound by TTFT, and by less the more replicas share the queue."""


def test_replicas_that_share_a_queue_may_each_be_fuller() -> None:
    values = [LONG.among(n).value for n in (1, 4, 9, 16, 25)]
    assert values == sorted(values)
    assert values[0] == LONG.value < 0.75 * values[3]
    blind = rho_max(POOL, Slo(ttft_s=1.2), 4000, 100, Routing.BLIND)
    assert blind.among(8).value == LONG.value


@given(st.floats(0, 200), st.integers(1, 100), st.floats(0.3, 4), st.floats(1, 9000), st.floats(0.5, 2))
def test_one_look_at_the_queue_says_what_the_limit_says(
    load: float, replicas: int, ttft: float, i: float, factor: float
) -> None:
    law = learned(factor, factor, factor, factor)
    rho = learned_rho_max(POOL, law, Slo(ttft_s=ttft), i, 200, factor)
    limit = replicas * rho.among(replicas).value
    if abs(load / limit - 1) > 1e-6:
        assert rho.carries(load, replicas) == (load < limit)


@given(st.floats(0, 60), st.floats(0, 5), st.floats(0.9, 4), st.floats(500, 9000))
def test_a_shared_queue_gets_the_fewest_replicas_that_carry_the_load(
    load: float, more: float, ttft: float, i: float
) -> None:
    rho = replace(rho_max(POOL, Slo(ttft_s=ttft), i, 200), sequences_per_erlang=None)
    found = replicas_for(load, rho)
    fewest = next(n for n in range(2000) if load <= n * rho.among(n).value + 1e-6)
    assert fewest <= found <= fewest + (abs(load - fewest * rho.among(fewest).value) < 1e-5)
    assert found <= replicas_for(load + more, rho)
    assert found <= replicas_for(load, replace(rho, queue=None))


def learned(*factors: float) -> Learned:
    return Learned(POOL.step, factors=factors)


def test_longer_prompts_are_load_although_requests_stay_as_many() -> None:
    short, long = observation(), observation(mean_input_tokens=4500.0)
    more = offered_erlangs(long, POOL) / offered_erlangs(short, POOL)  # type: ignore[operator]
    assert more == pytest.approx(POOL.step.work_ms(4500, 300) / POOL.step.work_ms(1500, 300))
    assert more > 2.5


def test_a_pool_that_is_slower_in_every_part_carries_fewer_of_the_same_erlangs() -> None:
    """TPOT 50 ms: 1 − 1.3·16.55/50 = 0.5697 of its own time, and each request is 1.3 times the work."""
    slow = learned(1.3, 1.3, 1.3, 1.3)
    found = learned_rho_max(POOL, slow, SLO, 1500, 300, work_correction(observation(), POOL, slow))
    assert found.value == pytest.approx((1 - 1.3 * 16.55 / 50) / 1.3)
    assert found.binding == "tpot"
    assert found.configured and found.configured.value == pytest.approx(1 - 16.55 / 50)
    own = rho_max(replace(POOL, step=slow.step), SLO, 1500, 300)
    # The same requests are in service at the limit, whichever erlangs they are told in.
    assert found.sequences_per_erlang and own.sequences_per_erlang
    assert found.sequences_per_erlang * found.value == pytest.approx(own.sequences_per_erlang * own.value)


def test_slower_prefill_counts_for_less_where_prompts_are_cached() -> None:
    slow = learned(1.0, 1.0, 1.0, 1.3)
    plain = work_correction(observation(), POOL, slow)
    cached = work_correction(observation(input_tokens_per_s=100.0, cached_tokens_per_s=90.0), POOL, slow)
    assert plain and cached
    assert 1 < cached < plain < 1.3


def test_nothing_learned_is_the_law_as_configured() -> None:
    assert learned_rho_max(POOL, None, SLO, 1500, 300, None) == rho_max(POOL, SLO, 1500, 300)
    same = learned_rho_max(POOL, learned(1.0, 1.0, 1.0, 1.0), SLO, 1500, 300, 1.0)
    configured = rho_max(POOL, SLO, 1500, 300)
    assert (same.value, same.limits, same.configured) == (configured.value, configured.limits, configured)


factors = st.floats(*BOUNDS)


@given(st.tuples(factors, factors, factors, factors), st.floats(1, 20_000), st.floats(1, 4_000))
def test_what_was_learned_never_makes_capacity_vanish_or_explode(
    found: tuple[float, float, float, float], i: float, o: float
) -> None:
    seen = observation(mean_input_tokens=i, mean_output_tokens=o)
    rho = learned_rho_max(POOL, learned(*found), SLO, i, o, work_correction(seen, POOL, learned(*found)))
    assert FLOOR / BOUNDS[1] <= rho.value <= STABLE / BOUNDS[0]
    assert rho.binding in rho.limits


@given(st.floats(0.6, 1.6), st.floats(1.01, 1.2), st.integers(0, 3))
def test_a_slower_part_never_raises_what_a_replica_carries(factor: float, more: float, part: int) -> None:
    fast, slow = [factor] * 4, [factor] * 4
    slow[part] *= more
    rho = [
        learned_rho_max(POOL, law, SLO, 1500, 300, work_correction(observation(), POOL, law)).value
        for law in (learned(*fast), learned(*slow))
    ]
    assert rho[1] <= rho[0] + 1e-9
