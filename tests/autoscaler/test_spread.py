"""A need in replicas of the first pool, spread over all pools."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.capacity import rho_max
from autoscaler.controller import Look, Mind, consider
from autoscaler.decide import decide
from autoscaler.decision import Branch, ControlState, Decision, Grant, TierCounts
from autoscaler.learning.law import Learned
from autoscaler.policy import Policy
from autoscaler.safety.overrides import Kind, Override
from autoscaler.safety.shortage import Ask
from autoscaler.spread import Wanted, as_one, asked, base_of, cheapest_usd_per_hour, spread, valued
from autoscaler.store.codec import decode, encode, inputs, replay
from collectors.observation import Scrape
from forecasting.forecaster import Forecaster
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Replica, Tier
from tests.autoscaler.cases import AUTO, NOW_S, POOL, forecast, observation, state

RHO = rho_max(POOL, AUTO.slo, 1500.0, 300.0)
CHEAP = replace(POOL, name="cheap", price_usd_per_gpu_hour=1.0)
SPOT = replace(POOL, name="spot", price_usd_per_gpu_hour=1.0, spot=True)
SLOW = replace(CHEAP, name="slow", lead_times={Tier.COLD: LeadTime(400.0, 600.0)})
HALF = replace(POOL, name="half", step=replace(POOL.step, b_ms_per_seq=0.082, p_ms_per_1k_prefill_tokens=137.4))
HALF = replace(HALF, step=replace(HALF.step, k_ms_per_1k_kv_tokens=0.1162))
FRIENDLY = Policy.model_validate({"mode": "auto", "risk": {"spot_base": 0.0}})


def several(first: int, *others: tuple[Branch, int], **changes: object) -> ControlState:
    """A service with so many active replicas of each pool."""
    more = tuple(replace(branch, counts=TierCounts(active=active)) for branch, active in others)
    return state(first, more=more, **changes)


def active(targets: tuple[PoolTarget, ...]) -> list[int]:
    """Of each pool."""
    return [target.active for target in targets]


def test_a_pool_half_as_fast_is_worth_half_or_a_little_less() -> None:
    known = valued(several(2, (Branch(HALF), 4), mean_input_tokens=1500.0, mean_output_tokens=300.0), AUTO, RHO)
    assert known.more[0].worth == pytest.approx(0.5, abs=0.06)
    assert as_one(known).counts.active == 4
    assert valued(state(2), AUTO, RHO) is not None and as_one(state(2)) == state(2)


def test_a_pool_that_was_found_slower_is_worth_less() -> None:
    slower = Branch(CHEAP, learned=Learned(CHEAP.step, factors=(1.3, 1.3, 1.3, 1.3)))
    known = valued(several(2, (slower, 4), mean_input_tokens=1500.0, mean_output_tokens=300.0), AUTO, RHO)
    assert known.more[0].worth == pytest.approx((1 - 1.3 * 16.55 / 50) / 1.3 / (1 - 16.55 / 50))


def test_worth_follows_the_mix_in_steps() -> None:
    known = several(2, (Branch(HALF, worth=0.5), 4), mean_input_tokens=1500.0, mean_output_tokens=300.0)
    assert valued(known, AUTO, RHO).more[0].worth == 0.5
    assert valued(replace(known, more=(Branch(HALF, worth=0.7),)), AUTO, RHO).more[0].worth < 0.56


def test_what_replaces_others_is_no_capacity_beside_them() -> None:
    cheap = Branch(CHEAP, TierCounts(launching=5))
    moving = state(4, more=(cheap,))
    assert as_one(moving).counts == TierCounts(active=4)
    growing = replace(moving, desired=PoolTarget("chat", POOL.name, 6))
    assert as_one(growing).counts == TierCounts(active=4, launching=2)


def test_the_cheaper_pool_is_taken_when_the_fleet_grows() -> None:
    targets = spread(several(3, (Branch(CHEAP), 0)), AUTO, Wanted(4, 0), NOW_S)
    assert [target.pool for target in targets] == ["h100-tp2", "cheap"]
    assert active(targets) == [3, 4], "what serves stays until the cheaper ones serve"
    assert active(spread(several(3, (Branch(CHEAP), 4)), AUTO, Wanted(4, 0), NOW_S)) == [0, 4]


def test_the_dearer_pool_shrinks_first() -> None:
    little = replace(POOL, name="little", price_usd_per_gpu_hour=2.45)
    assert active(spread(several(2, (Branch(little), 3)), AUTO, Wanted(4, 0), NOW_S)) == [1, 3]


def test_others_stand_in_while_a_slow_pool_starts() -> None:
    growing = several(2, (Branch(SLOW), 2))
    assert active(spread(growing, AUTO, Wanted(6, 0), NOW_S)) == [4, 6]
    arrived = several(4, (Branch(SLOW), 6))
    assert active(spread(arrived, AUTO, Wanted(6, 0), NOW_S)) == [0, 6]


def test_spot_only_as_far_as_its_loss_can_be_borne() -> None:
    assert active(spread(several(0, (Branch(SPOT), 6)), AUTO, Wanted(6, 0, base=2.5), NOW_S)) == [3, 6]
    there = several(3, (Branch(SPOT), 6))
    assert active(spread(there, AUTO, Wanted(6, 0, base=2.5), NOW_S)) == [3, 3]
    assert active(spread(there, AUTO, Wanted(6, 0, base=0.0), NOW_S)) == [0, 6]


def test_the_base_is_a_quantile_of_the_forecast() -> None:
    told = forecast(3.0)
    share = told.quantile(195.0, 0.5) / told.quantile(195.0, 0.99)
    assert base_of(told, AUTO, 20, 195.0) == pytest.approx(20 * share)
    assert base_of(None, AUTO, 6, 195.0) == 3 and base_of(forecast(0.0), AUTO, 6, 195.0) == 6
    assert base_of(told, FRIENDLY, 20, 195.0) == 0


def test_spares_wait_where_the_tier_is_shared() -> None:
    shared = replace(CHEAP, holding_share={Tier.STANDBY: 0.2})
    targets = spread(several(3, (Branch(shared), 0)), AUTO, Wanted(3, 2), NOW_S)
    assert [target.standby for target in targets] == [0, 2]


def test_a_pool_that_gives_nothing_is_left_for_another() -> None:
    ask = Ask(4, NOW_S - 3600, 0)
    targets = spread(several(2, (Branch(CHEAP, ask=ask), 0)), AUTO, Wanted(6, 0), NOW_S)
    assert active(targets) == [6, 1]
    after = asked(several(2), several(2, (Branch(CHEAP), 1)), targets, True, NOW_S)
    assert after.more[0].ask is None and after.first_ask == Ask(4, NOW_S, 2) and after.targets == targets


def test_a_grant_caps_a_pool() -> None:
    capped = several(2, (Branch(CHEAP), 2), grant=Grant({"cheap": 3}, None, ""))
    assert active(spread(capped, AUTO, Wanted(6, 0), NOW_S)) == [3, 3]


def test_the_budget_buys_the_cheapest() -> None:
    policy = AUTO.model_copy(update={"budget_usd_per_hour": 8.0})
    assert active(spread(several(0, (Branch(CHEAP), 4)), policy, Wanted(6, 0), NOW_S)) == [0, 4]
    assert cheapest_usd_per_hour(several(0, (Branch(CHEAP), 4))) == 2.0


def test_a_decision_names_every_pool_and_replays() -> None:
    known = several(3, (Branch(CHEAP), 1))
    decision = decide(observation(), forecast(3.0), known, AUTO, NOW_S)
    assert [target.pool for target in decision.plan.targets] == ["h100-tp2", "cheap"]
    assert decision.next_state.targets == decision.plan.targets
    assert decision.capacity_erlangs == pytest.approx(4 * decision.rho_max)
    stored = inputs(observation(), forecast(3.0), known, AUTO, NOW_S)
    assert replay(stored) == decision == decode(Decision, encode(decision))


def test_a_freeze_keeps_every_pool() -> None:
    before = (PoolTarget("chat", "h100-tp2", 1), PoolTarget("chat", "cheap", 5))
    freeze = Override("1", "chat", Kind.FREEZE, None, NOW_S - 60, NOW_S + 60, "ops", "audit")
    known = several(1, (Branch(CHEAP), 5), targets=before, overrides=(freeze,))
    assert decide(observation(), forecast(9.0), known, AUTO, NOW_S).plan.targets == before


def test_inventory_caps_what_is_asked_for_and_says_so() -> None:
    grant = Grant({POOL.name: 2}, 2, "inventory: 0 H100 left, batch has priority")
    decision = decide(observation(), forecast(9.0), state(2, grant=grant), AUTO, NOW_S)
    assert decision.plan.targets[0].active == 2 and decision.binding == "inventory"
    assert "batch has priority" in decision.sentence


def test_the_controller_counts_each_pool() -> None:
    replicas = tuple(
        Replica(f"chat-{i}", "chat", pool, Tier.ACTIVE, None, 0.0, "", "n", ()) for i, pool in enumerate("aab")
    )
    look = Look(NOW_S, replicas, (), Scrape(NOW_S, {}))
    known = state(0, pool=replace(POOL, name="a"), more=(Branch(replace(CHEAP, name="b")),))
    result = consider(known, AUTO, Mind(Forecaster("chat")), look, None)
    assert (result.state.counts.active, result.state.more[0].counts.active) == (2, 1)
    assert result.state.learned and result.state.learned.refused == (("gap: not seen", 2),)
    other = result.state.more[0].learned
    assert other and (other.prior, other.refused) == (CHEAP.step, (("gap: not seen", 1),))


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 12), st.floats(0.2, 1.5))
@settings(max_examples=50, deadline=None)
def test_nothing_that_serves_is_let_go_before_it_is_replaced(first: int, second: int, want: int, worth: float) -> None:
    known = several(first, (Branch(CHEAP, worth=worth), second))
    targets = spread(known, AUTO, Wanted(want, 0), NOW_S)
    kept = min(first, targets[0].active) + worth * min(second, targets[1].active)
    assert kept >= min(want, first + worth * second) - 1e-6
    assert targets[0].active + worth * targets[1].active >= want - 1e-6
