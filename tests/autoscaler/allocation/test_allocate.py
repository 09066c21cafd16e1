"""Least cost under all lines and limits, held against trying everything."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from autoscaler.allocation import Demand, Market, allocate
from benchmarks.brute_force import best, value_of
from tests.autoscaler.allocation.cases import ACTIVE, SHARED, SPOT, STANDBY, A, B, demand, problems

FREE = Market()
Problem = tuple[tuple[Demand, ...], Market]


@given(problems(services=1, pools=2))
@settings(max_examples=60, deadline=None)
def test_one_service_costs_what_trying_everything_finds(problem: Problem) -> None:
    demands, market = problem
    got = value_of(demands, allocate(demands, market).shares, market)
    assert got == pytest.approx(best(demands, market, 3), abs=1e-5)


@given(problems(services=3, pools=1))
@settings(max_examples=60, deadline=None)
def test_several_services_cost_what_trying_everything_finds(problem: Problem) -> None:
    demands, market = problem
    got = value_of(demands, allocate(demands, market).shares, market)
    assert got == pytest.approx(best(demands, market, 3), abs=1e-5)


@given(problems(services=2, pools=2))
@settings(max_examples=40, deadline=None)
def test_more_demand_never_costs_less(problem: Problem) -> None:
    demands, market = problem
    more = tuple(
        replace(d, lines=tuple(replace(line, erlangs=line.erlangs + 0.25) for line in d.lines)) for d in demands
    )
    before = value_of(demands, allocate(demands, market).shares, market)
    after = value_of(more, allocate(more, market).shares, market)
    assert before <= tuple(figure + 1e-5 for figure in after) or before[0] < after[0]


def test_the_cheapest_mix_of_unlike_pools() -> None:
    (share,) = allocate([demand(2.5, A, B)], FREE).shares
    assert share.counts == {"a": {}, "b": {ACTIVE: 5}} and share.usd_per_hour == 5.0


def test_what_runs_is_kept_where_the_gain_is_less_than_a_launch() -> None:
    running = replace(A, usd_per_hour={ACTIVE: 2.0}, now={ACTIVE: 3}, launch_usd=0.2)
    rival = replace(running, pool="rival", usd_per_hour={ACTIVE: 1.9}, now={})
    assert allocate([demand(3, running, rival)], FREE).shares[0].counts == {"a": {ACTIVE: 3}, "rival": {}}
    cheap = replace(rival, usd_per_hour={ACTIVE: 1.5})
    assert allocate([demand(3, running, cheap)], FREE).shares[0].counts == {"a": {}, "rival": {ACTIVE: 3}}


def test_a_pool_that_comes_too_late_counts_only_with_what_it_has() -> None:
    slow = replace(B, launch_s=600.0, now={ACTIVE: 2})
    late = replace(demand(3.0, A, slow), lines=(replace(demand(3.0).lines[0], deliver_s=200.0),))
    assert allocate([late], FREE).shares[0].counts == {"a": {ACTIVE: 2}, "b": {ACTIVE: 2}}


def test_spares_wait_where_waiting_is_cheap() -> None:
    (share,) = allocate([demand(2, SHARED, slow=4)], FREE).shares
    assert share.counts == {"a": {ACTIVE: 2, STANDBY: 2}}


def test_a_spot_market_may_vanish() -> None:
    (share,) = allocate([demand(4, A, SPOT)], FREE).shares
    assert share.counts == {"a": {}, "spot": {ACTIVE: 4}}
    (share,) = allocate([demand(4, A, SPOT, base_erlangs=2)], FREE).shares
    assert share.counts == {"a": {ACTIVE: 2}, "spot": {ACTIVE: 2}}
    other = replace(SPOT, pool="other", spot="zone-2")
    (share,) = allocate([demand(4, A, SPOT, other, base_erlangs=2)], FREE).shares
    assert share.counts == {"a": {}, "spot": {ACTIVE: 2}, "other": {ACTIVE: 2}}


def test_who_has_priority_is_served_and_the_other_is_told_why() -> None:
    chat = demand(3, service="chat", priority=1)
    batch = demand(3, service="batch")
    result = allocate([batch, chat], Market({"H100": ((4, 1),)}))
    assert [share.counts["a"] for share in result.shares] == [{ACTIVE: 1}, {ACTIVE: 3}]
    assert result.shares[0].shortages[0].amount == pytest.approx(2.0)
    assert result.shares[0].shortages[0].limits == ("inventory: 0 H100 left, 1 needed",)
    assert result.binding == ("inventory H100",)


def test_the_dearer_shortage_is_served_first_among_equals() -> None:
    line = demand(3).lines[0]
    dear = replace(demand(3, service="dear"), lines=(replace(line, usd_per_erlang_hour=200.0),))
    result = allocate([demand(3), dear], Market({"H100": ((4, 1),)}))
    assert [share.counts["a"][ACTIVE] for share in result.shares] == [1, 3]


def test_a_replica_of_four_needs_a_node_with_four() -> None:
    four = replace(A, gpus=Fraction(4))
    result = allocate([demand(3, four)], Market({"H100": ((6, 2), (2, 4))}))
    assert result.shares[0].counts == {"a": {ACTIVE: 2}}
    assert result.shares[0].shortages[0].limits == ("inventory: 12 H100 left, 4 needed",)


def test_slices_of_a_gpu() -> None:
    seventh = replace(A, gpus=Fraction(1, 7))
    result = allocate([demand(20, seventh)], Market({"H100": ((2, 1),)}))
    assert result.shares[0].counts == {"a": {ACTIVE: 14}}


def test_money_that_runs_out_is_named() -> None:
    share = allocate([demand(3, budget_usd_per_hour=9.0)], FREE).shares[0]
    assert share.counts == {"a": {ACTIVE: 2}} and share.shortages[0].limits == ("budget $9 an hour",)
    result = allocate([demand(3), demand(3, priority=1)], Market(budget_usd_per_hour=17.0))
    assert [s.usd_per_hour for s in result.shares] == [4.0, 12.0]
    assert result.shares[0].shortages[0].limits == ("fleet budget $17 an hour",)


def test_services_that_share_nothing_scarce_do_not_meet() -> None:
    result = allocate([demand(3), demand(2, B)], Market({"H100": ((8, 1),), "L4": ((8, 1),)}))
    assert result.binding == () and result.gap == 0.0 and result.usd_per_hour == 16.0


def test_a_scarce_pool_sends_its_services_elsewhere_which_may_get_scarce_too() -> None:
    cheap = replace(A, pool="cheap", usd_per_hour={ACTIVE: 1.0})
    wide = replace(B, pool="wide", usd_per_hour={ACTIVE: 3.0})
    result = allocate([demand(4, cheap, wide), demand(1, B)], Market({"H100": ((2, 1),), "L4": ((4, 1),)}))
    assert result.binding == ("inventory H100", "inventory L4")
    assert sum(sum(pool.values()) for share in result.shares for pool in share.counts.values()) == 6
