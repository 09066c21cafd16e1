"""Each guard by itself, and how they add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.policy import Policy
from autoscaler.safety import guardrails
from autoscaler.safety.guardrails import Facts
from tests.autoscaler.cases import AUTO, NOW_S, SHARED, state


def facts(current: int = 4, policy: dict[str, Any] | None = None, **changes: Any) -> Facts:
    rules = Policy.model_validate(AUTO.model_dump() | (policy or {}))
    return replace(Facts(NOW_S, current, 0, None, (), state(current), rules), **changes)


def test_a_need_within_all_bounds_passes() -> None:
    value, binding, bounds = guardrails.apply(5, "forecast", facts())
    assert (value, binding) == (5, "forecast")
    assert not any(bound.binds for bound in bounds)


@pytest.mark.parametrize(
    ("need", "current", "policy", "expected", "binding"),
    [
        (50, 4, {}, 8, "scale_out_step"),  # twice the fleet
        (50, 20, {"replicas": {"max": 100}}, 28, "scale_out_step"),  # eight more
        (50, 0, {"replicas": {"min": 0}}, 1, "scale_out_step"),  # one more is always allowed
        (50, 9, {}, 10, "max"),
        (0, 4, {}, 2, "scale_in_step"),
        (0, 2, {"replicas": {"min": 2}}, 2, "min"),
        (7, 4, {"budget_usd_per_hour": 30}, 6, "budget"),
        (7, 4, {"budget_usd_per_hour": 3}, 1, "budget"),  # never less than min
    ],
)
def test_bounds(need: int, current: int, policy: dict[str, Any], expected: int, binding: str) -> None:
    window = ((NOW_S, need),)
    value, bound, _ = guardrails.apply(need, "forecast", facts(current, policy, needs=window))
    assert (value, bound) == (expected, binding)


def test_hold_keeps_and_lets_grow() -> None:
    assert guardrails.apply(1, "load", facts(hold_reason="data is old"))[:2] == (4, "hold")
    assert guardrails.apply(6, "forecast", facts(hold_reason="data is old"))[:2] == (6, "forecast")


def test_settle_and_cooldown_end() -> None:
    assert guardrails.settle(facts(state=state(started_at_s=NOW_S - 299))) is not None
    assert guardrails.settle(facts(state=state(started_at_s=NOW_S - 300))) is None
    assert guardrails.cooldown(facts(state=state(last_scale_in_s=NOW_S - 59))) is not None
    assert guardrails.cooldown(facts(state=state(last_scale_in_s=NOW_S - 60))) is None


def test_after_a_rollback_not_even_a_lower_bound_takes_anything_away() -> None:
    lower = {"replicas": {"max": 5}}
    recent, past = (state(8, rolled_back_at_s=NOW_S - ago) for ago in (299, 300))
    assert guardrails.apply(1, "load", facts(8, lower, state=recent))[:2] == (8, "rollback")
    assert guardrails.apply(1, "load", facts(8, lower, state=past))[:2] == (5, "max")
    assert guardrails.apply(12, "load", facts(8, state=recent))[0] == 10


def test_the_window_remembers_only_what_can_still_bind() -> None:
    needs = guardrails.remember(((NOW_S - 400, 9), (NOW_S - 200, 6), (NOW_S - 100, 3)), NOW_S, 4, 300.0)
    assert needs == ((NOW_S - 200, 6), (NOW_S, 4))


def test_a_need_from_the_future_is_forgotten() -> None:
    assert guardrails.remember(((NOW_S + 50, 9),), NOW_S, 4, 300.0) == ((NOW_S, 4),)


def test_spares_shrink_as_carefully_as_active_ones() -> None:
    many = facts(current_spare=4)
    assert guardrails.spare(0, 4, many, []) == 2
    _, _, held = guardrails.apply(4, "load", replace(many, hold_reason="data is old"))
    assert guardrails.spare(0, 4, many, held) == 4
    assert guardrails.spare(0, 8, many, held) == 0  # they were taken into rotation


def test_spares_fit_under_max_standby_and_budget() -> None:
    assert guardrails.spare(9, 4, facts(), []) == 4
    assert guardrails.spare(9, 9, facts(), []) == 1
    paid = facts(policy={"budget_usd_per_hour": 23.0}, state=state(pool=SHARED))
    assert guardrails.spare(9, 4, paid, []) == 2  # $3 left at $1.5 each
