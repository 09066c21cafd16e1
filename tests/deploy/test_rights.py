"""The least that does the work: nothing may be changed by default, and beyond the namespaces only nodes be read."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.kubernetes import resource as client
from runtime.kubernetes.names import POLICY_PLURAL
from runtime.kubernetes.resource import Resource
from tests.deploy.charts import ALL, documents, find

Right = tuple[str, str]
READS = {"get", "list", "watch"}


def rights(role: dict[str, Any]) -> set[Right]:
    """Verb and resource, each with its group."""
    return {
        (verb, f"{group}/{resource}" if group else resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def writes(values: dict[str, Any], namespace: str = "llm") -> set[Right]:
    """What may be changed in a namespace."""
    roles = [role for role in find(documents(values), "Role") if role["metadata"]["namespace"] == namespace]
    return {right for role in roles for right in rights(role) if right[0] not in READS}


SAY = {("patch", "leadtime.dev/scalingpolicies/status"), ("update", "leadtime.dev/scalingpolicies/status")} | {
    (verb, "events.k8s.io/events") for verb in ("create", "patch")
}


def test_in_shadow_mode_nothing_can_be_changed_but_what_is_said() -> None:
    assert writes({}) == SAY


def test_to_act_is_to_scale_to_mark_pods_and_to_evict() -> None:
    assert writes({"rights": {"act": True}}) - SAY == {
        ("patch", "apps/deployments/scale"),
        ("patch", "apps/statefulsets/scale"),
        ("patch", "leaderworkerset.x-k8s.io/leaderworkersets/scale"),
        ("patch", "pods"),
        ("create", "pods/eviction"),
    }


def test_policies_are_written_only_without_gitops() -> None:
    written = writes({"rights": {"editPolicies": True}}) - SAY
    assert written == {(verb, "leadtime.dev/scalingpolicies") for verb in ("create", "patch", "update")}


@pytest.mark.parametrize("values", [{}, ALL], ids=["defaults", "all"])
def test_no_wildcard_no_secret_no_deletion(values: dict[str, Any]) -> None:
    for role in (*find(documents(values), "Role"), *find(documents(values), "ClusterRole")):
        for verb, resource in rights(role):
            assert "*" not in (verb, resource) and verb not in ("delete", "deletecollection", "escalate", "bind")
            assert resource not in ("secrets", "configmaps", "nodes/proxy", "pods/exec")


def test_beyond_the_namespaces_only_nodes_are_read_and_only_if_asked() -> None:
    assert not find(documents({}), "ClusterRole") and not find(documents({}), "ClusterRoleBinding")
    (role,) = find(documents({"rights": {"gpuInventory": True}}), "ClusterRole")
    assert rights(role) == {(verb, "nodes") for verb in READS}


def test_nodes_are_changed_only_where_that_is_asked_for() -> None:
    (role,) = find(documents({"rights": {"gpuInventory": True, "taintNodes": True}}), "ClusterRole")
    assert rights(role) - {(verb, "nodes") for verb in READS} == {("patch", "nodes")}


def test_a_right_is_asked_for_what_the_client_names_and_for_nothing_else() -> None:
    """Rights that nobody uses are rights too many; what the client reads and may not would be found in production."""
    named = {each.plural for each in vars(client).values() if isinstance(each, Resource)} | {POLICY_PLURAL}
    roles = (*find(documents(ALL), "Role"), *find(documents(ALL), "ClusterRole"))
    asked = {what.rpartition("/")[2] for role in roles for rule in role["rules"] for what in plain(rule)}
    assert asked - {"pools"} == named  # pools are the target of one's own that these values add


def plain(rule: dict[str, Any]) -> list[str]:
    """The resources of a rule, without their subresources."""
    return [str(name).split("/")[0] for name in rule["resources"]]


def test_each_namespace_has_roles_of_its_own_bound_to_our_accounts() -> None:
    made = documents(ALL)
    for namespace in ("llm", "search"):
        bindings = [each for each in find(made, "RoleBinding") if each["metadata"]["namespace"] == namespace]
        assert {each["roleRef"]["kind"] for each in bindings} == {"Role"}
        subjects = {each["roleRef"]["name"]: {who["name"] for who in each["subjects"]} for each in bindings}
        assert subjects == {
            "leadtime-watch": {"leadtime-daemon", "leadtime-router"},
            "leadtime-act": {"leadtime-daemon"},
        }


def test_the_lease_is_ours_alone() -> None:
    (role,) = find(documents({}), "Role", "lease")
    assert role["metadata"]["namespace"] == "leadtime"
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["leadtime-daemon"]]
    assert rights(role) == {(verb, "coordination.k8s.io/leases") for verb in ("create", "get", "update")}


def test_pods_that_ask_nothing_of_the_cluster_have_no_account_in_it() -> None:
    made = documents(ALL)
    for component in ("console", "externalscaler"):
        pod = find(made, "Deployment", component)[0]["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod
