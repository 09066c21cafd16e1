"""The search proposes what is worth a simulation, the same for a seed, and recommends the cheapest that keeps faith."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.fluid import Estimate, Fluid
from autoscaler.backtest.fluid_outlook import foresee
from autoscaler.backtest.tune import (
    Candidate,
    Confirmed,
    anywhere,
    front,
    misjudged,
    near,
    proposals,
    recommended,
    screen,
    split,
)
from autoscaler.policy import Policy
from tests.autoscaler.backtest.cases import POLICY, case, requests
from tests.autoscaler.cases import POOL

points = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=30)


def candidate(cost: float, attainment: float) -> Candidate:
    return Candidate(POLICY, Estimate(attainment, cost, 0, 0))


def confirmed(gpu_hours: float, attainment: float, screened: float = 0.99) -> Confirmed:
    return Confirmed(candidate(gpu_hours, screened), {"gpu_hours": gpu_hours, "attainment": attainment})


def test_a_split_loses_nothing_and_keeps_the_hour() -> None:
    whole = case()
    first, rest = split(whole, 0.5)
    assert first.trace.requests + rest.trace.requests == whole.trace.requests
    assert rest.start_s + rest.trace.arrival_s[-1] == pytest.approx(whole.start_s + whole.trace.duration_s)


def test_the_rest_knows_the_load_before_it() -> None:
    first, rest = split(case(), 0.5)
    assert first.past is None and rest.past is not None
    times, load = rest.past
    assert (np.diff(times) > 0).all() and times[-1] == pytest.approx(rest.start_s, abs=15.0)
    assert (load > 0).all()


def test_a_part_without_requests_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves 0 requests to train on and 1"):
        split(case(requests((0.0, 100, 10))), 0.5)


def test_the_screen_is_the_same_for_a_seed() -> None:
    fluid = Fluid(case(), foresee(case()))
    runs = [[c.policy for c in screen(fluid, POLICY, POOL, 40, seed)] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0][0] == POLICY and len(runs[0]) == 41


@given(st.integers(0, 1000))
def test_whatever_is_drawn_is_a_policy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = anywhere(POLICY, POOL, rng)
    for policy in (drawn, near(drawn, POOL, rng)):
        assert Policy.model_validate(policy.model_dump()) == policy
        assert (policy.slo, policy.replicas, policy.mode) == (POLICY.slo, POLICY.replicas, POLICY.mode)


def test_a_free_pool_can_be_tuned() -> None:
    free = replace(POOL, price_usd_per_gpu_hour=0.0)
    assert anywhere(POLICY, free, np.random.default_rng(0)).risk.shortage_usd_per_replica_hour > 0


@given(points)
def test_nothing_beats_the_front(cloud: list[tuple[float, float]]) -> None:
    best = front(cloud, lambda p: p[0], lambda p: p[1])
    assert best == sorted(best)
    for cost, attained in cloud:
        assert any(c <= cost and a >= attained for c, a in best)
    assert not any(c < d and a >= b for c, a in best for d, b in best)


def test_proposals_lie_around_the_promise() -> None:
    cloud = [candidate(cost, 1 - 0.1 / cost) for cost in (2.0, 5.0, 9.0, 10.5, 11.0, 20.0, 50.0)]
    chosen = [c.estimate.replica_s for c in proposals(cloud, 0.99, 3)]
    assert chosen == [10.5, 20.0, 5.0]


def test_proposals_allow_for_the_error_of_the_screen() -> None:
    cloud = [candidate(cost, 1 - 0.1 / cost) for cost in range(2, 60)]
    plain, wary = (proposals(cloud, 0.99, 1, error)[0].estimate.replica_s for error in (0.0, 0.005))
    assert wary > plain


def test_where_no_setting_is_good_enough_the_best_is_proposed() -> None:
    assert proposals([candidate(1.0, 0.5), candidate(2.0, 0.6)], 0.99, 4) == [candidate(2.0, 0.6)]


def test_the_error_of_the_screen_is_its_median() -> None:
    assert misjudged([confirmed(1, a) for a in (0.97, 0.98, 0.5)]) == pytest.approx(0.02)


def test_the_cheapest_that_keeps_the_promise_is_recommended() -> None:
    tried = [confirmed(1, 0.97), confirmed(3, 0.999), confirmed(2, 0.991)]
    assert recommended(tried, 0.99) is tried[2]


def test_the_nearest_is_recommended_where_none_keeps_it() -> None:
    tried = [confirmed(1, 0.90), confirmed(3, 0.95), confirmed(2, 0.95)]
    assert recommended(tried, 0.99) is tried[2]
