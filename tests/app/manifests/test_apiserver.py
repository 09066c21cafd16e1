"""The imitation refuses what a real API server refused, for the same causes, and stores what that stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.manifests.apiserver import admit, nodes, undefined

RECORDED = Path(__file__).parents[2] / "fixtures" / "kubernetes"


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{name}.json").read_text())


def schema_of(name: str) -> dict[str, Any]:
    return recorded(name)["request"]["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def causes(name: str) -> set[tuple[str, str]]:
    return {(cause["reason"], cause["field"]) for cause in recorded(name)["response"]["body"]["details"]["causes"]}


@pytest.mark.parametrize(
    "name",
    ["scalingpolicy-create-invalid-cel", "scalingpolicy-create-invalid-schema", "scalingpolicy-create-invalid-type"],
)
def test_it_refuses_for_the_recorded_causes(name: str) -> None:
    assert set(admit(schema_of("crd-create"), recorded(name)["request"]["body"])[1]) == causes(name)


def test_it_refuses_a_status_for_the_recorded_causes() -> None:
    body = (
        recorded("scalingpolicy-create")["request"]["body"]
        | recorded("scalingpolicy-status-invalid")["request"]["body"]
    )
    assert set(admit(schema_of("crd-create"), body)[1]) == causes("scalingpolicy-status-invalid")


@pytest.mark.parametrize(
    "name",
    ["scalingpolicy-create", "scalingpolicy-apply", "scalingpolicy-create-unknown-field", "scalingpolicy-status-put"],
)
def test_it_stores_what_was_stored(name: str) -> None:
    exchange = recorded(name)
    given, stored = exchange["request"]["body"], exchange["response"]["body"]
    kept, refused = admit(schema_of("crd-create"), given)
    assert not refused
    if "status" not in given:
        assert kept["spec"] == stored["spec"]
    assert kept.get("status") == stored.get("status")


def test_it_finds_the_rule_that_did_not_compile() -> None:
    found = [name for _, node in nodes(schema_of("crd-create-invalid-cel")) for name in undefined(node)]
    said = recorded("crd-create-invalid-cel")["response"]["body"]["message"]
    assert found == ["min"] and "undefined field 'min'" in said
    assert not [name for _, node in nodes(schema_of("crd-create")) for name in undefined(node)]
