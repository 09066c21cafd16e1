"""The decision: its laws for all inputs, and the cases that an operator would ask about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide import decide, effective_mode
from autoscaler.decision import ControlState, Decision, TierCounts
from autoscaler.policy import Mode, Policy
from autoscaler.safety.health import Health, Sick
from autoscaler.safety.oscillation import Restlessness
from autoscaler.safety.overrides import FLEET, Kind, Override
from autoscaler.safety.shortage import Ask
from collectors.observation import Gap, Observation
from forecasting.forecast import Forecast
from runtime.replica import Tier
from tests.autoscaler.cases import (
    AUTO,
    NOW_S,
    SHARED,
    forecast,
    forecasts,
    needs,
    observation,
    observations,
    policies,
    state,
    states,
)


def active(decision: Decision) -> int:
    return decision.plan.targets[0].active


def spare(decision: Decision) -> int:
    return decision.plan.targets[0].standby + decision.plan.targets[0].asleep


def present(s: ControlState) -> int:
    return s.desired.active if s.desired else s.counts.active + s.counts.launching + s.counts.waking


def ceiling(s: ControlState, policy: Policy) -> int:
    """The most that the operator allows."""
    budget = policy.budget_usd_per_hour
    paid = policy.replicas.max if budget is None else int(budget / s.pool.replica_usd_per_hour + 1e-9)
    return min(policy.replicas.max, max(paid, policy.replicas.min))


@given(observations(), forecasts, states(), policies(), st.floats(0, 400))
def test_more_offered_load_never_gives_fewer_active(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy, more: float
) -> None:
    busier = replace(seen, arrivals_per_s=None if seen.arrivals_per_s is None else seen.arrivals_per_s + more)
    assert active(decide(busier, fc, s, policy, NOW_S)) >= active(decide(seen, fc, s, policy, NOW_S))


@given(observations(), st.floats(0, 40), st.floats(0, 20), states(), policies())
def test_a_higher_forecast_never_gives_fewer_active(
    seen: Observation, load: float, more: float, s: ControlState, policy: Policy
) -> None:
    lower, higher = forecast(load), forecast(load + more)
    assert active(decide(seen, higher, s, policy, NOW_S)) >= active(decide(seen, lower, s, policy, NOW_S))


@given(observations(), forecasts, states(), policies())
def test_the_operators_bounds_always_hold(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    decision = decide(seen, fc, s, policy, NOW_S)
    assert policy.replicas.min <= active(decision) <= ceiling(s, policy)
    assert active(decision) + spare(decision) <= policy.replicas.max
    assert 0 <= spare(decision) <= policy.standby.max


@given(observations(), forecasts, states(), policies())
def test_steps_are_bounded(seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy) -> None:
    now, then = present(s), active(decide(seen, fc, s, policy, NOW_S))
    out = max(now + 1, min(now + policy.scale_out.max_step, int(now * policy.scale_out.max_factor + 1e-9)))
    assert then <= max(out, policy.replicas.min)
    assert then >= min(now - policy.scale_in.max_step, ceiling(s, policy))


@given(observations(), forecasts, states(), policies())
def test_never_scales_in_on_missing_or_stale_data_or_without_a_forecast(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    blind = not seen.valid or NOW_S - seen.at_s > policy.stale_after_s or seen.arrivals_per_s is None or fc is None
    if blind:
        assert active(decide(seen, fc, s, policy, NOW_S)) >= min(present(s), ceiling(s, policy))


@given(observations(), forecasts, states(), policies())
def test_never_scales_in_after_a_restart_in_the_cooldown_or_below_the_window(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    then, rule = active(decide(seen, fc, s, policy, NOW_S)), policy.scale_in
    least = min(present(s), ceiling(s, policy))
    if NOW_S - s.started_at_s < rule.settle_after_restart_s:
        assert then >= least
    if s.last_scale_in_s is not None and NOW_S - s.last_scale_in_s < rule.cooldown_s:
        assert then >= least
    recent = [need for at_s, need in s.needs if NOW_S - rule.window_s <= at_s]
    assert then >= min(least, max(recent, default=0))


@given(observations(), forecasts, states(), policies())
def test_what_binds_is_named_and_there_is_a_sentence(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    decision = decide(seen, fc, s, policy, NOW_S)
    bound = [c.name for c in decision.constraints if c.binds]
    assert bound == [decision.binding]
    assert decision.sentence.endswith(".") and "\n" not in decision.sentence
    assert decision.act == (decision.mode is Mode.AUTO)
    assert decision.risk_of_shortfall is None or 0 <= decision.risk_of_shortfall <= 1


def test_a_forecast_raises_the_fleet_before_the_load_is_there() -> None:
    decision = decide(observation(), forecast(3.0), state(4), AUTO, NOW_S)
    assert active(decision) > 4
    assert decision.binding == "forecast"
    assert "Scale out 4 -> " in decision.sentence and "TPOT binds" in decision.sentence


def test_the_quantiles_taken_stand_in_numbers_with_the_forecasts_constraint() -> None:
    for s, fewest in ((state(4), 1), (state(4, pool=SHARED), 2)):
        fc = forecast(3.0)
        taken = [c.quantiles for c in decide(observation(), fc, s, AUTO, NOW_S).constraints if c.name == "forecast"]
        assert len(taken[0]) == fewest
        for quantile in taken[0]:
            asked = fc.quantile(quantile.horizon_s, quantile.tau) * AUTO.risk.headroom
            assert quantile.erlangs == pytest.approx(asked)


def test_scales_in_when_observation_and_forecast_agree() -> None:
    decision = decide(observation(), forecast(1.2), state(6), AUTO, NOW_S)
    assert active(decision) == 4
    assert decision.binding == "scale_in_step"
    assert decision.next_state.last_scale_in_s == NOW_S


def test_a_low_forecast_does_not_lower_what_the_load_needs() -> None:
    assert active(decide(observation(arrivals_per_s=30.0), forecast(0.1), state(4), AUTO, NOW_S)) >= 7


def test_a_high_need_holds_for_its_window() -> None:
    held = decide(observation(), forecast(1.2), state(6, needs=needs(6, 299)), AUTO, NOW_S)
    assert (active(held), held.binding) == (6, "window")
    assert active(decide(observation(), forecast(1.2), state(6, needs=needs(6, 301)), AUTO, NOW_S)) == 4


def test_stale_data_holds_but_the_forecast_may_add() -> None:
    old = observation(at_s=NOW_S - 75)
    held = decide(old, forecast(1.2), state(6), AUTO, NOW_S)
    assert (active(held), held.binding, held.offered_erlangs) == (6, "hold", None)
    assert "75 s old" in held.sentence
    assert active(decide(old, forecast(5.0), state(6), AUTO, NOW_S)) > 6


def test_a_hold_is_followed_by_a_full_window() -> None:
    held = decide(observation(at_s=NOW_S - 75), forecast(1.2), state(6), AUTO, NOW_S)
    seen = observation(at_s=NOW_S + 30)
    assert active(decide(seen, forecast(1.2), held.next_state, AUTO, NOW_S + 30)) == 6


def test_gaps_are_named() -> None:
    seen = observation(valid=False, gaps=(Gap("chat-3", "timed out"),))
    assert "chat-3: timed out" in decide(seen, forecast(1.2), state(6), AUTO, NOW_S).sentence


def test_requests_wake_a_service_from_zero_before_anything_is_known_of_them() -> None:
    policy = Policy.model_validate({"mode": "auto", "replicas": {"min": 0}})
    seen = observation(arrivals_per_s=None, held=3.0, mean_input_tokens=None, running=0.0)
    assert active(decide(seen, None, state(0), policy, NOW_S)) == 1


def test_an_idle_service_goes_to_its_minimum() -> None:
    policy = Policy.model_validate({"mode": "auto", "replicas": {"min": 0}})
    seen = observation(arrivals_per_s=0.0, completed_per_s=0.0, running=0.0)
    assert active(decide(seen, forecast(0.0), state(1), policy, NOW_S)) == 0


def test_dedicated_gpus_get_no_standby_and_shared_ones_do() -> None:
    dedicated = decide(observation(), forecast(3.0), state(5), AUTO, NOW_S)
    shared = decide(observation(), forecast(3.0), state(5, pool=SHARED), AUTO, NOW_S)
    assert spare(dedicated) == 0 < spare(shared)
    assert active(shared) + spare(shared) >= active(dedicated) > active(shared) - 1


def test_a_demand_that_is_met_by_standby_takes_it_in() -> None:
    with_standby = state(4, pool=SHARED, counts=TierCounts(active=4, standby=2))
    decision = decide(observation(arrivals_per_s=22.0), forecast(3.0), with_standby, AUTO, NOW_S)
    assert active(decision) > 4


def test_the_budget_caps_and_says_so() -> None:
    policy = AUTO.model_copy(update={"budget_usd_per_hour": 27.0})
    decision = decide(observation(arrivals_per_s=60.0), forecast(10.0), state(4), policy, NOW_S)
    assert (active(decision), decision.binding) == (5, "budget")


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.PAUSED])
def test_other_modes_do_not_act_and_keep_no_target(mode: Mode) -> None:
    decision = decide(observation(), forecast(3.0), state(4), Policy(mode=mode), NOW_S)
    assert not decision.act
    assert decision.next_state.desired is None
    assert "not acted on" in decision.sentence


def test_a_pause_ends() -> None:
    policy = Policy(mode=Mode.PAUSED, paused_until_s=NOW_S)
    assert effective_mode(policy, NOW_S - 1) is Mode.PAUSED
    assert decide(observation(), forecast(3.0), state(4), policy, NOW_S).act


def test_risk_falls_with_capacity() -> None:
    risks = [decide(observation(), forecast(3.0), state(n), AUTO, NOW_S).risk_of_shortfall for n in (1, 3, 5, 9)]
    assert risks == sorted(risks, reverse=True)  # type: ignore[type-var]
    assert risks[-1] is not None and risks[-1] < 0.01


def test_work_is_smoothed() -> None:
    before = state(4, work_ms_per_request=100.0)
    after = decide(observation(mean_output_tokens=3000.0), forecast(3.0), before, AUTO, NOW_S).next_state
    assert after.work_ms_per_request is not None and 200 < after.work_ms_per_request < 300


def test_what_a_step_limit_leaves_open_is_not_made_up_by_dedicated_spares() -> None:
    decision = decide(observation(), forecast(9.0), state(2), AUTO, NOW_S)
    assert (active(decision), spare(decision)) == (4, 0)


ON_DEMAND = AUTO.model_copy(update={"replicas": AUTO.replicas.model_copy(update={"min": 0, "idle_s": 120.0})})
QUIET = observation(arrivals_per_s=0.0, completed_per_s=0.0, running=0.0, ttft_s={}, tpot_s={})

PERHAPS = replace(forecast(1.0), values=((0.0, 0.0, 0.1, 0.2, 0.3),) * 5)


def test_a_service_that_may_go_to_zero_does_so_once_it_was_idle_for_long_enough() -> None:
    idle_for = [active(decide(QUIET, PERHAPS, state(1, idle_since_s=NOW_S - s), ON_DEMAND, NOW_S)) for s in (60, 120)]
    assert idle_for == [1, 0]
    assert active(decide(QUIET, PERHAPS, state(1, idle_since_s=NOW_S - 900), AUTO, NOW_S)) == 1


def test_an_idle_service_stays_where_a_request_is_likely_and_comes_back_when_one_waits() -> None:
    idle = state(1, idle_since_s=NOW_S - 600)
    assert active(decide(QUIET, forecast(0.5), idle, ON_DEMAND, NOW_S)) >= 1
    gone = state(0, idle_since_s=NOW_S - 600)
    back = decide(replace(QUIET, held=1.0), PERHAPS, gone, ON_DEMAND, NOW_S)
    assert active(back) == 1 and back.next_state.idle_since_s is None


def test_what_cannot_be_seen_is_not_idle() -> None:
    blind = replace(QUIET, valid=False, gaps=(Gap("chat", "not seen"),))
    decision = decide(blind, PERHAPS, state(1, idle_since_s=NOW_S - 600), ON_DEMAND, NOW_S)
    assert active(decision) == 1 and decision.next_state.idle_since_s is None


# --- by hand, by schedule, and in trouble ------------------------------------------------------------------------


def by_hand(kind: Kind, replicas: int | None = None, service: str = "chat") -> Override:
    return Override("o1", service, kind, replicas, NOW_S - 60, NOW_S + 720, "ann", "launch")


@given(observations(), forecasts, states(), policies(), st.sampled_from(["chat", FLEET]))
def test_a_freeze_means_no_change_at_all(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy, whose: str
) -> None:
    frozen = replace(s, overrides=(by_hand(Kind.FREEZE, service=whose), by_hand(Kind.PIN, 3)))
    decision = decide(seen, fc, frozen, policy, NOW_S)
    (target,) = decision.plan.targets
    assert decision.binding == "freeze"
    if s.desired is not None:
        assert target == s.desired
    assert target.active == present(s)
    moves = (s.last_scale_in_s, s.last_scale_out_s, s.restlessness)
    after = decision.next_state
    assert (after.last_scale_in_s, after.last_scale_out_s, after.restlessness) == moves


@given(observations(), forecasts, states(), policies(), st.integers(0, 12))
def test_a_pin_holds_within_the_operators_bounds(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy, replicas: int
) -> None:
    pinned = replace(s, overrides=(by_hand(Kind.PIN, replicas),))
    wanted = min(max(replicas, policy.replicas.min), ceiling(s, policy))
    assert active(decide(seen, fc, pinned, policy, NOW_S)) == wanted


@given(observations(), forecasts, states(), policies(), st.integers(0, 12))
def test_a_floor_raises_and_never_lowers(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy, replicas: int
) -> None:
    floor = replace(s, overrides=(by_hand(Kind.AT_LEAST, replicas),))
    then, without = active(decide(seen, fc, floor, policy, NOW_S)), active(decide(seen, fc, s, policy, NOW_S))
    assert then == max(without, min(replicas, ceiling(s, policy)))


@given(observations(), forecasts, states(), policies())
def test_the_budget_is_never_exceeded_but_for_the_minimum(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    sick = tuple(Sick(f"r{i}", "g", "XID 79", NOW_S, urgent=False) for i in range(2))
    (target,) = decide(seen, fc, replace(s, health=Health((), sick)), policy, NOW_S).plan.targets
    if policy.budget_usd_per_hour is not None:
        least = policy.replicas.min * s.pool.replica_usd_per_hour
        spare_usd = (target.standby + target.asleep) * s.pool.holding_usd_per_hour(Tier(policy.standby.tier))
        paid = target.active * s.pool.replica_usd_per_hour + spare_usd
        assert paid <= max(policy.budget_usd_per_hour, least) + 1e-6


@given(states(), forecasts, policies(), st.integers(2, 30))
def test_an_outage_however_long_never_takes_anything_away(
    s: ControlState, fc: Forecast | None, policy: Policy, ticks: int
) -> None:
    policy = policy.model_copy(update={"mode": Mode.AUTO, "paused_until_s": None})
    seen, before = observation(at_s=NOW_S, valid=False, gaps=(Gap("chat", "gone"),)), present(s)
    for tick in range(ticks):
        decision = decide(seen, fc, s, policy, NOW_S + 15.0 * tick)
        assert active(decision) >= min(before, ceiling(s, policy))
        s, before = decision.next_state, active(decision)


def test_the_schedule_is_a_floor_one_lead_time_ahead() -> None:
    shift = {"start": "22:15", "end": "23:00", "min": 7}  # NOW_S is 22:13:20 UTC
    policy = Policy.model_validate({"mode": "auto", "schedule": [shift]})
    decision = decide(observation(), forecast(1.2), state(6), policy, NOW_S)
    assert (active(decision), decision.binding) == (7, "schedule")
    assert "the schedule keeps 7 every day 22:15–23:00 UTC" in decision.sentence


def test_saturation_asks_within_one_tick_whatever_the_forecast_says() -> None:
    seen = observation(kv_usage_ratio=1.0, preemptions_per_s=3.0)
    decision = decide(seen, forecast(0.5), state(4), AUTO, NOW_S)
    assert (active(decision), decision.binding) == (5, "kv")
    assert "KV memory is 100% in use" in decision.sentence


def test_what_does_not_come_is_not_asked_for_again_but_for_one_and_nothing_is_taken_away() -> None:
    s = state(9, counts=TierCounts(active=5, launching=4), ask=Ask(4, NOW_S - 720, 5))
    decision = decide(observation(arrivals_per_s=60.0), forecast(9.0), s, AUTO, NOW_S)
    assert (active(decision), decision.binding) == (6, "unschedulable")
    assert "asked for 4 more 12 min ago, none came" in decision.sentence
    after = decision.next_state
    assert after.last_scale_in_s is None and after.restlessness == s.restlessness
    came = replace(after, counts=TierCounts(active=6))
    assert active(decide(observation(arrivals_per_s=60.0), forecast(9.0), came, AUTO, NOW_S)) > 6


def test_a_restless_service_waits_twice_as_long_and_says_so() -> None:
    turns = tuple((NOW_S - 300.0 * (6 - i), (-1) ** i) for i in range(6))
    s = state(6, needs=needs(6, 400), restlessness=Restlessness(turns, NOW_S + 60))
    held = decide(observation(), forecast(1.2), s, AUTO, NOW_S)
    assert (active(held), held.binding) == (6, "window")
    assert "2 times as long after 6 changes of direction within 30 min" in held.sentence
    calm = replace(s, restlessness=Restlessness(turns, NOW_S - 60))
    assert active(decide(observation(), forecast(1.2), calm, AUTO, NOW_S)) == 4


def sick_state(urgent: bool, healthy: int, **changes: object) -> ControlState:
    health = Health((), (Sick("chat-3", "g7", "XID 79 on g7", NOW_S - 30, urgent),))
    return state(healthy + 1, counts=TierCounts(active=healthy, sick=1), health=health, **changes)


def test_a_sick_replica_is_named_leaves_and_is_replaced() -> None:
    decision = decide(observation(), forecast(1.6), sick_state(urgent=True, healthy=3), AUTO, NOW_S)
    (target,) = decision.plan.targets
    assert (target.active, target.avoid) == (4, ("chat-3",))
    assert "chat-3 (XID 79 on g7, for 30 s)" in decision.sentence
    assert decision.capacity_erlangs == pytest.approx(3 * decision.rho_max)


def test_one_that_wears_out_stays_until_its_replacement_serves() -> None:
    before = decide(observation(), forecast(1.6), sick_state(urgent=False, healthy=3), AUTO, NOW_S)
    (target,) = before.plan.targets
    assert (target.active, target.avoid, before.next_state.replacing) == (5, (), 1)
    later = replace(before.next_state, counts=TierCounts(active=4, sick=1))
    after = decide(observation(), forecast(1.6), later, AUTO, NOW_S)
    assert (after.plan.targets[0].active, after.plan.targets[0].avoid) == (4, ("chat-3",))
    assert after.next_state.last_scale_in_s is None
