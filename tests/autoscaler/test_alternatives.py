"""What would have changed a decision is true: at the threshold told, and not before, it is another number."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.alternatives import carried
from autoscaler.capacity import RhoMax, replicas_for
from autoscaler.decide import decide
from autoscaler.decision import Alternative, ControlState, Decision
from autoscaler.policy import Policy
from autoscaler.safety.overrides import Kind, Override
from collectors.observation import Observation
from forecasting.forecast import Forecast
from tests.autoscaler.cases import (
    AUTO,
    NOW_S,
    forecast,
    forecasts,
    needs,
    observation,
    observations,
    policies,
    state,
    states,
)

rhos = st.builds(RhoMax, st.floats(0.05, 0.95), st.just("tpot"), st.just({}), st.none() | st.floats(0.1, 200))


@given(st.integers(0, 500), rhos)
def test_what_is_carried_is_the_inverse_of_sizing(replicas: int, rho: RhoMax) -> None:
    limit = carried(replicas, rho)
    assert replicas_for(limit * (1 - 1e-6), rho) <= replicas
    assert replicas_for(limit * (1 + 1e-6) + 1e-6, rho) >= replicas + 1


def scaled(fc: Forecast, factor: float) -> Forecast:
    return replace(fc, values=tuple(tuple(value * factor for value in row) for row in fc.values))


def other(decision: Decision, more: bool) -> Alternative:
    active = decision.plan.targets[0].active
    return next(a for a in decision.alternatives if (a.replicas > active) == more)


@given(st.floats(1.0, 12.0), st.integers(3, 9))
def test_a_forecast_above_the_threshold_makes_it_more_and_one_below_does_not(load: float, current: int) -> None:
    policy, fc = Policy.model_validate(AUTO.model_dump() | {"replicas": {"max": 99}}), forecast(load)
    before = decide(observation(arrivals_per_s=0.1), fc, state(current), policy, NOW_S)
    turn = other(before, more=True)
    if before.binding != "forecast" or turn.erlangs is None:
        return
    taken = next(c.quantiles[0].erlangs for c in before.constraints if c.quantiles)

    def active(factor: float) -> int:
        fitting = scaled(fc, turn.erlangs / taken * factor)  # type: ignore[operator]
        return decide(observation(arrivals_per_s=0.1), fitting, state(current), policy, NOW_S).plan.targets[0].active

    assert active(1.0001) > before.plan.targets[0].active >= active(0.9999)


def texts(decision: Decision) -> list[str]:
    return [alternative.text for alternative in decision.alternatives]


def test_the_thresholds_are_told_with_where_the_load_stands() -> None:
    more, fewer = texts(decide(observation(), forecast(3.0), state(6), AUTO, NOW_S))
    assert more.startswith("one more if P95 within 195 s rises above ") and more.endswith(" erlangs (now 3.76)")
    assert fewer.startswith("one fewer once P95 within 195 s falls below ") and fewer.endswith("and 5 min pass")


def test_what_only_the_window_holds_goes_when_it_has_passed() -> None:
    held = decide(observation(), forecast(1.2), state(6, needs=needs(6, 200)), AUTO, NOW_S)
    assert texts(held)[1].startswith("one fewer in 2 min if P95 within 195 s stays below ")
    assert other(held, more=False).after_s == 100.0


def test_bounds_are_named_where_they_stand_in_the_way() -> None:
    at_max = decide(observation(arrivals_per_s=60.0), forecast(12.0), state(10), AUTO, NOW_S)
    assert texts(at_max)[0] == "one more if replicas.max is raised"
    at_min = decide(observation(arrivals_per_s=0.5), forecast(0.1), state(1), AUTO, NOW_S)
    assert texts(at_min)[1] == "one fewer once replicas.min is lowered"
    policy = AUTO.model_copy(update={"budget_usd_per_hour": 27.0})
    paid = decide(observation(arrivals_per_s=60.0), forecast(10.0), state(4), policy, NOW_S)
    assert texts(paid)[0] == "one more if the budget is raised to $30 an hour"


def test_by_hand_and_blind_is_said_so() -> None:
    pin = Override("o", "chat", Kind.PIN, 4, NOW_S - 60, NOW_S + 60, "ann", "test")
    assert texts(decide(observation(), forecast(3.0), state(6, overrides=(pin,)), AUTO, NOW_S)) == [
        "anything else once the pin ends"
    ]
    blind = decide(observation(at_s=NOW_S - 75), forecast(1.2), state(6), AUTO, NOW_S)
    assert texts(blind)[1] == "one fewer once data is 75 s old (stale after 60 s) is over"


def test_costs_are_those_of_what_is_held_and_of_the_plan() -> None:
    decision = decide(observation(), forecast(3.0), state(4), AUTO, NOW_S)
    active = decision.plan.targets[0].active
    assert (decision.usd_per_hour_now, decision.usd_per_hour_then) == (20.0, 5.0 * active)


@given(observations(), forecasts, states(), policies())
def test_there_is_always_an_alternative_in_one_line(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy
) -> None:
    decision = decide(seen, fc, s, policy, NOW_S)
    assert decision.alternatives
    assert all(a.text and "\n" not in a.text and a.after_s >= 0 for a in decision.alternatives)
