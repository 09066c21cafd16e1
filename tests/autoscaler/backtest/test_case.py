"""A case is the same for whoever plays it: its load, its first fleet, its terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.case import FIRST_S, offered_load, work_ms
from autoscaler.capacity import replicas_for
from autoscaler.policy import Mode
from tests.autoscaler.backtest.cases import POLICY, START_S, case, requests, trace
from tests.autoscaler.cases import POOL

lengths = st.tuples(st.integers(1, 100_000), st.integers(1, 20_000))


@given(st.lists(lengths, min_size=1, max_size=20))
def test_the_work_of_a_trace_is_that_of_its_requests(sizes: list[tuple[int, int]]) -> None:
    of = requests(*((float(i), *size) for i, size in enumerate(sizes)))
    assert work_ms(POOL, of) == pytest.approx([POOL.step.work_ms(*size) for size in sizes])


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=50), st.sampled_from([1.0, 60.0, 7.5]))
def test_no_work_is_lost_between_bins(at_s: list[float], bin_s: float) -> None:
    first = min(at_s)
    of = requests(*((t - first, 100, 10) for t in sorted(at_s)))
    load = offered_load(POOL, of, bin_s)
    assert load.sum() * bin_s == pytest.approx(work_ms(POOL, of).sum() / 1000)
    assert len(load) * bin_s > of.duration_s


def test_load_stands_in_the_bin_in_which_it_came() -> None:
    """A request of 1,000 and 100 tokens is 78.901 ms of work: 68.7 + 100 · (0.041 + 0.0581 · 1.05)."""
    load = offered_load(POOL, requests((0.0, 1000, 100), (60.0, 1000, 100), (119.0, 1000, 100)), 60.0)
    assert load == pytest.approx(np.array([1, 2]) * 0.0789005 / 60)


def test_everybody_starts_with_the_fleet_that_the_first_minutes_need() -> None:
    of = case(trace(600.0, rps=20.0, growth=1.0))
    erlangs = offered_load(POOL, of.trace, FIRST_S)[0]
    assert of.first_replicas() == replicas_for(erlangs, of.rho()) > 2
    assert len(of.world().view("")) == of.first_replicas()
    assert all(replica.serving for replica in of.world().view(""))


@pytest.mark.parametrize(("bounds", "first"), [((0, 1), 1), ((6, 8), 6), ((0, 8), 1)])
def test_the_first_fleet_keeps_to_the_bounds_and_is_not_empty(bounds: tuple[int, int], first: int) -> None:
    low, high = bounds
    policy = POLICY.model_copy(update={"replicas": POLICY.replicas.model_copy(update={"min": low, "max": high})})
    quiet, busy = requests((0.0, 10, 1)), trace(600.0, rps=100.0)
    assert case(busy if high == 1 else quiet, policy).first_replicas() == first


def test_the_case_acts_whatever_the_policy_says() -> None:
    paused = POLICY.model_copy(update={"mode": Mode.PAUSED, "paused_until_s": START_S + 60})
    acting = case(policy=paused).acting()
    assert (acting.mode, acting.paused_until_s) == (Mode.AUTO, None)
    assert acting.slo == paused.slo


def test_peers_are_told_the_bounds_the_promise_and_the_replica() -> None:
    terms = case(pool=replace(POOL, max_num_seqs=99)).terms()
    assert (terms.min_replicas, terms.max_replicas) == (1, 8)
    assert (terms.ttft_target_s, terms.tpot_target_s) == (2.0, 0.05)
    assert (terms.a_ms, terms.p_ms_per_1k_prefill_tokens) == (16.55, 68.7)
    assert (terms.kv_tokens, terms.block_tokens, terms.max_num_seqs) == (320_000, 16, 99)


def test_a_cut_case_keeps_what_came_before_the_cut() -> None:
    whole = case()
    cut = whole.until(100.0)
    kept = int((whole.trace.arrival_s < 100.0).sum())
    assert 0 < cut.trace.requests == kept < whole.trace.requests
    assert cut.trace.input_tokens.tolist() == whole.trace.input_tokens[:kept].tolist()
    assert (cut.start_s, cut.policy, cut.pool) == (whole.start_s, whole.policy, whole.pool)


def test_alone_it_has_its_first_pool_only() -> None:
    other = replace(POOL, name="other")
    of = replace(case(), more_pools=(other,))
    assert [pool.name for pool in of.pools] == [of.pool.name, "other"]
    assert of.alone().pools == (of.pool,)
