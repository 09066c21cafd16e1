"""The three ways to solve agree: closed form, looking at everything, and HiGHS."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.allocation import Demand, Market, grid, program, single
from autoscaler.allocation.needs import Cell
from autoscaler.allocation.price import weight_usd
from tests.autoscaler.allocation.cases import ACTIVE, SHARED, STANDBY, A, demand, demands

FREE = Market()


@given(demands(0, 2))
@settings(max_examples=60, deadline=None)
def test_the_grid_and_the_program_cost_the_same(one: Demand) -> None:
    seen = grid.solve(one, FREE)
    (solved,), gap = program.solve([one], FREE)
    # HiGHS may stop a millionth of a dollar short, which is more than that as a share of cents.
    assert seen is not None and gap * weight_usd(one, seen) <= 10 * program.SLACK
    assert weight_usd(one, seen) == pytest.approx(weight_usd(one, solved), abs=1e-5)


@given(
    st.floats(0, 12),
    st.floats(0, 12),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(0, 6),
    st.sampled_from([0.25, 0.9, 1.0, 1.5]),
)
@settings(max_examples=60, deadline=None)
def test_the_closed_form_and_the_grid_agree(
    fast: float, more: float, least: int, spare: int, most: int, share: float
) -> None:
    pool = replace(SHARED, usd_per_hour={ACTIVE: 4.0, STANDBY: 4.0 * share}, erlangs=0.7)
    one = demand(fast, pool, slow=fast + more, least_active=least, least_spare=spare, most_spare=spare + most)
    formula, seen = single.solve(one), grid.solve(one, FREE)
    assert formula is not None and formula == seen


def test_the_closed_form_steps_aside_where_a_limit_bites() -> None:
    assert single.solve(demand(3)) == {(0, ACTIVE): 3}
    assert single.solve(demand(3, most=2)) is None
    assert single.solve(demand(3, replace(A, most=2))) is None
    assert single.solve(demand(3, budget_usd_per_hour=100.0)) is None
    assert single.solve(demand(3, A, SHARED)) is None


def test_a_large_grid_is_left_to_the_solver() -> None:
    pools = [
        replace(SHARED, pool=f"p{i}", erlangs=0.5 + i / 7, usd_per_hour={ACTIVE: 2.0 + i, STANDBY: 1.0 + i})
        for i in range(3)
    ]
    assert grid.solve(demand(300, *pools, slow=400), FREE) is None


def test_nothing_to_choose_from_is_nothing() -> None:
    none: dict[Cell, int] = {}
    assert grid.solve(Demand("chat", (), demand(3).lines), FREE) == none


def test_a_budget_too_small_for_anything_buys_nothing() -> None:
    assert grid.solve(demand(3, budget_usd_per_hour=1.0), FREE) == {}


def test_a_pool_that_another_beats_in_everything_is_not_looked_at() -> None:
    poor = [replace(A, pool=f"poor-{i}", erlangs=0.01, usd_per_hour={ACTIVE: 5.0}) for i in range(4)]
    assert grid.solve(demand(30, A, *poor), FREE) == {(0, ACTIVE): 30}
    assert grid.solve(demand(30, *poor[:1], A), FREE) == {(1, ACTIVE): 30}
