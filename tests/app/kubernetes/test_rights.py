"""The rights that doctor asks for are those that the chart grants, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from app.kubernetes.rights import Right, rights
from app.kubernetes.settings import KubernetesSettings
from tests.deploy.charts import ALL, documents, find


def granted(values: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Verb, group and resource of every rule."""
    roles = [*find(documents(values), "Role"), *find(documents(values), "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]
    return {(v, g, r) for rule in rules for v in rule["verbs"] for g in rule["apiGroups"] for r in rule["resources"]}


def as_rule(right: Right) -> tuple[str, str, str]:
    return right.verb, right.of.group, f"{right.of.plural}/{right.sub}" if right.sub else right.of.plural


def asked(**changes: Any) -> list[Right]:
    told = {"namespaces": ["llm"], "lease": "leadtime-daemon", "nodes": True, **changes}
    return list(rights(KubernetesSettings.model_validate(told), "ops"))


def test_the_chart_grants_all_that_is_asked_for() -> None:
    assert {as_rule(right) for right in asked()} <= granted(ALL)


def test_without_the_right_to_act_what_is_needed_to_watch_is_granted() -> None:
    watching = {as_rule(right) for right in asked(gitops=True, nodes=False) if not right.acting}
    assert watching <= granted({})


@pytest.mark.parametrize(
    ("changes", "there"),
    [({"gitops": True}, False), ({"gitops": False}, True)],
)
def test_policies_are_written_only_where_git_does_not(changes: dict[str, Any], there: bool) -> None:
    assert any(str(right) == "patch scalingpolicies" for right in asked(**changes)) is there


def test_a_custom_resource_is_scaled_and_not_watched() -> None:
    target = {"pool": "p", "name": "w", "kind": "InferencePool", "api_version": "example.com/v1"}
    found = {str(right) for right in asked(targets=[target], discover=False) if right.of.group == "example.com"}
    assert found == {"get inferencepools/scale", "patch inferencepools/scale"}


def test_the_lease_lies_where_the_daemon_runs() -> None:
    assert {right.namespace for right in asked() if right.of.plural == "leases"} == {"ops"}
