"""The generated definition: valid for every supported API server, and of one mind with the models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError

from app.manifests import crd
from app.manifests.resource import ScalingPolicy
from autoscaler.policy import Policy
from tests.app.manifests.apiserver import ENVIRONMENT, admit, defaulted, nodes, problems, rules, undefined
from tests.app.manifests.test_apiserver import recorded
from tests.kubernetes_versions import VERSIONS, taken

SCHEMA = crd.schema()
TARGET = {"kind": "Deployment", "name": "vllm-chat"}


def resource(spec: dict[str, Any]) -> dict[str, Any]:
    named = {"apiVersion": "leadtime.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "chat"}}
    return {**named, "spec": spec}


def of_policy(policy: dict[str, Any]) -> dict[str, Any]:
    return resource({"targetRef": TARGET, "policy": policy})


@pytest.mark.parametrize("place", crd.PLACES, ids=lambda path: path.parent.parent.name)
def test_the_files_are_what_is_generated(place: Any) -> None:
    assert place.read_text(encoding="utf-8") == crd.text(), "run: python -m app.manifests.crd"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_servers_schema_takes_it(version: str) -> None:
    taken(crd.crd(), version)


def test_it_is_structural() -> None:
    for path, node in nodes(SCHEMA):
        assert "type" in node, path
        assert not {"$ref", "$defs", "anyOf", "allOf", "oneOf", "not", "title", "nullable"} & set(node), path
        assert not undefined(node), path
        for rule in node.get("x-kubernetes-validations", ()):
            ENVIRONMENT.compile(rule["rule"])
            assert rule["fieldPath"].removeprefix(".") in node["properties"], path
        if "default" in node:
            assert not list(problems(node, node["default"], path))
            assert defaulted(node, node["default"]) == node["default"], path
            for _, rule, value in rules(node, node["default"], path):
                assert ENVIRONMENT.compile(rule["rule"]).eval(data={"self": value}).value() is True, path


def test_every_column_shows_a_field() -> None:
    places = {f".{path}" for path, _ in nodes(SCHEMA)} | {".metadata.creationTimestamp"}
    for column in crd.columns():
        assert column["jsonPath"].replace('[?(@.type=="Ready")]', "[]") in places
    names = [column["name"] for column in crd.columns() if column["priority"] == 0]
    assert names[:5] == ["Target", "Mode", "Ready", "Active", "Desired"]


def test_an_empty_policy_is_the_default_one() -> None:
    stored, refused = admit(SCHEMA, resource({"targetRef": TARGET}))
    assert not refused and stored["spec"]["targetRef"]["apiVersion"] == "apps/v1"
    assert stored["spec"]["policy"] == Policy().model_dump(mode="json", exclude_none=True)
    assert ScalingPolicy.model_validate(stored).spec.policy == Policy()
    assert stored["spec"]["policy"]["mode"] == "shadow"


def test_a_field_that_is_null_is_absent() -> None:
    stored, refused = admit(SCHEMA, of_policy({"budget_usd_per_hour": None, "schedule": None}))
    assert not refused and "budget_usd_per_hour" not in stored["spec"]["policy"]
    assert stored["spec"]["policy"]["schedule"] == []


SHIFT = {"start": "08:00", "end": "18:00", "min": 11}


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"replicas": {"min": 5, "max": 4}}, "replicas.min"),
        ({"standby": {"min": 5}}, "standby.min"),
        ({"reactive": {"scale_in_below": 1.5}}, "reactive.scale_in_below"),
        ({"paused_until_s": 1e9}, "paused_until_s"),
        ({"schedule": [SHIFT]}, "schedule"),
    ],
)
def test_what_crosses_fields_is_refused_by_one_rule(policy: dict[str, Any], field: str) -> None:
    assert admit(SCHEMA, of_policy(policy))[1] == [("FieldValueInvalid", f"spec.policy.{field}")]
    with pytest.raises(ValidationError):
        Policy.model_validate(policy)


def test_the_recorded_mistakes_are_refused_alike() -> None:
    """The recorded resource is older than ours; its mistakes, in our fields, have the causes that were recorded."""
    body = resource({"targetRef": {"kind": "Pod", "name": ""}, "policy": {"replicas": {"min": -1, "max": "4"}}})
    reasons = {reason for reason, _ in admit(SCHEMA, body)[1]}
    said = {
        cause["reason"]
        for name in ("scalingpolicy-create-invalid-schema", "scalingpolicy-create-invalid-type")
        for cause in recorded(name)["response"]["body"]["details"]["causes"]
    }
    assert reasons == said - {"FieldValueNotSupported", "FieldValueRequired"}
    pod = admit(SCHEMA, resource({"targetRef": {"kind": "Pod", "name": "x"}}))[1]
    assert pod == [("FieldValueInvalid", "spec.targetRef.kind")]
    assert ("FieldValueRequired", "spec.targetRef") in admit(SCHEMA, resource({}))[1]


def test_the_recorded_status_is_taken_and_a_broken_one_refused() -> None:
    status = dict(recorded("scalingpolicy-status-put")["request"]["body"]["status"])
    stored, refused = admit(SCHEMA, resource({"targetRef": TARGET}) | {"status": status})
    assert not refused and stored["status"]["conditions"] == status["conditions"]
    broken = recorded("scalingpolicy-status-invalid")
    causes = {(each["reason"], each["field"]) for each in broken["response"]["body"]["details"]["causes"]}
    assert set(admit(SCHEMA, resource({"targetRef": TARGET}) | broken["request"]["body"])[1]) == causes


def test_a_workload_is_named_once() -> None:
    twice = resource({"targetRef": TARGET, "moreTargetRefs": [TARGET]})
    assert admit(SCHEMA, twice)[1] == [("FieldValueInvalid", "spec.moreTargetRefs")]
    with pytest.raises(ValidationError, match="named twice"):
        ScalingPolicy.model_validate(twice)


def field(node: dict[str, Any]) -> SearchStrategy[Any]:
    """Values of a field, within its bounds and somewhat beyond them."""
    if "enum" in node:
        return st.sampled_from([*node["enum"], "elsewhere"])
    if node["type"] == "array":
        return st.lists(field(node["items"]), max_size=3)
    if node["type"] == "object":
        wanted = {key: field(each) for key, each in node["properties"].items()}
        needed = {key: wanted[key] for key in node.get("required", ())}
        some = st.lists(st.sampled_from(sorted(wanted)), max_size=2)
        return some.flatmap(lambda keys: st.fixed_dictionaries(needed | {key: wanted[key] for key in keys}))
    if node["type"] == "string":
        return st.sampled_from(["08:00", "25:00", "standby", "2026-12-01T14:00:00+01:00", "UTC"])
    low, high = node.get("minimum", 0), node.get("maximum", 10**6)
    if node["type"] == "integer":
        return st.integers(low - 1, min(high, 20) + 1)
    return st.one_of(st.floats(low, high), st.sampled_from([low, high, low - 0.5, high + 0.5]))


def validates(spec: dict[str, Any]) -> bool:
    try:
        ScalingPolicy.model_validate(resource(spec))
    except ValidationError as error:
        return all("time zone" in detail["msg"] for detail in error.errors())  # the one thing that no schema knows
    return True


@given(field(crd.at(SCHEMA, "spec.policy")))
def test_schema_and_models_are_of_one_mind(policy: dict[str, Any]) -> None:
    spec = {"targetRef": TARGET, "policy": policy}
    taken = not admit(SCHEMA, resource(spec))[1]
    event(f"taken: {taken}")
    assert taken is validates(spec)
