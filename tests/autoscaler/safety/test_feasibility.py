"""Policies that cannot work are found with the number that shows why; those that can are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from autoscaler.policy import Policy
from autoscaler.safety.feasibility import Present, findings
from tests.autoscaler.cases import POOL, policies

NOW = Present(15.0, 1.2, 1500.0, 300.0)


def told(present: Present = NOW, **changes: Any) -> list[str]:
    return [str(finding) for finding in findings(Policy.model_validate(changes), POOL, present)]


def refused(present: Present = NOW, **changes: Any) -> bool:
    return any(finding.refused for finding in findings(Policy.model_validate(changes), POOL, present))


def test_the_defaults_work() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "field", "number"),
    [
        ({"slo": {"tpot_s": 0.0165}}, "slo.tpot_s", "0.01655 s on an idle engine"),
        ({"slo": {"tpot_s": 0.017}}, "slo.tpot_s", "0.026 erlangs"),
        ({"slo": {"ttft_s": 0.1}}, "slo.ttft_s", "0.12 s to read"),
        ({"budget_usd_per_hour": 9, "replicas": {"min": 2}}, "budget_usd_per_hour", "costs, $10"),
        ({"budget_usd_per_hour": 12, "replicas": {"min": 2}, "standby": {"min": 1}}, "budget_usd_per_hour", "$15"),
        ({"scale_in": {"window_s": 10}}, "scale_in.window_s", "15 s between two looks"),
        ({"stale_after_s": 5}, "stale_after_s", "15 s between two looks"),
    ],
)
def test_what_cannot_work_is_refused_with_its_number(changes: dict[str, Any], field: str, number: str) -> None:
    (line,) = told(**changes)
    assert line.startswith(f"{field}: ") and number in line
    assert refused(**changes)


def test_a_tier_without_a_lead_time_is_refused() -> None:
    pool = replace(POOL, lead_times={})
    policy = Policy.model_validate({"standby": {"min": 1, "tier": "asleep"}})
    (found,) = findings(policy, pool, NOW)
    assert str(found).startswith("standby.tier: asleep has no lead time in h100-tp2")


@pytest.mark.parametrize("changes", [{"replicas": {"max": 1}}, {"budget_usd_per_hour": 6}])
def test_what_is_too_little_for_the_load_now_is_a_warning_with_what_it_needs(changes: dict[str, Any]) -> None:
    (line,) = told(**changes)
    assert "the load now (1.2 erlangs" in line and "needs 2" in line
    assert not refused(**changes)


def test_without_a_load_nothing_is_said_of_it() -> None:
    assert told(Present(15.0), replicas={"max": 1}) == []


@given(policies())
def test_every_finding_names_its_field_and_what_would_be_right(policy: Policy) -> None:
    for finding in findings(policy, POOL, NOW):
        assert finding.field in str(finding) and "\n" not in finding.text
        assert "; give " in finding.text or not finding.refused
