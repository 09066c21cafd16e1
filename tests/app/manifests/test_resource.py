"""What we write of a policy's status is what the definition takes, and what we read of it is what was written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.manifests import crd
from app.manifests.resource import ByTier, Condition, LastDecision, ScalingPolicy, Status, TargetRef, body
from tests.app.manifests.apiserver import admit

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STATUS = Status(
    observed_generation=2,
    policy_version=3,
    current=ByTier(active=4, standby=1, asleep=0),
    desired=ByTier(active=5),
    last_decision=LastDecision(id="d1", at=NOW, acted=False, sentence="Keep 4."),
    conditions=(
        Condition(type="Ready", status="True", last_transition_time=NOW, reason="Followed", message="It is followed."),
    ),
)


def chat(**more: Any) -> dict[str, Any]:
    spec = {"targetRef": {"kind": "Deployment", "name": "vllm-chat"}} | more
    return {"apiVersion": "leadtime.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "chat"}, "spec": spec}


def test_a_status_is_taken_whole_and_read_again() -> None:
    stored, refused = admit(crd.schema(), chat() | {"status": body(STATUS)})
    assert not refused and stored["status"] == body(STATUS)
    assert ScalingPolicy.model_validate(stored).status == STATUS


def test_it_is_spelt_as_kubernetes_spells() -> None:
    made = body(STATUS)
    assert made["lastDecision"]["at"] == "2026-11-21T12:00:00Z" and made["policyVersion"] == 3
    assert made["conditions"][0]["lastTransitionTime"] == "2026-11-21T12:00:00Z"
    assert "warm_node" not in made["current"]  # not known is absent, and no zero


def test_the_service_is_named_by_the_resource_unless_said_otherwise() -> None:
    assert ScalingPolicy.model_validate(chat()).service == "chat"
    assert ScalingPolicy.model_validate(chat(service="Chat_2")).service == "Chat_2"


def test_what_has_no_scale_is_no_target() -> None:
    with pytest.raises(ValidationError, match="no scale subresource"):
        TargetRef(kind="Pod", name="x")
