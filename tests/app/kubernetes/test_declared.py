"""Which resource says how a service is scaled, and why others do not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from app.kubernetes.declared import Declared, judged, keep, read, resource_of
from app.manifests.resource import ScalingPolicy
from app.manifests.yamlout import document
from autoscaler.policy import Policy
from runtime.kubernetes.spec import TargetSpec
from tests.app.kubernetes.conftest import FIELDS

TARGET = TargetSpec("chat", "chat-h100", "llm", "vllm-chat")
SHIFT = {"days": ["mon"], "start": "08:00", "end": "09:00", "min": 1, "time_zone": "Mars"}
TARGETS = {TARGET.key: TARGET}


def declared(name: str = "chat", created: str = "2026-11-21T00:00:00Z", **spec: Any) -> Declared:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "llm",
        "uid": f"uid-{name}",
        "resourceVersion": "7",
        "generation": 3,
    }
    told = {"targetRef": {"kind": "Deployment", "name": "vllm-chat"}, **spec}
    kind = {"apiVersion": "leadtime.dev/v1alpha1", "kind": "ScalingPolicy"}
    return read(
        keep({**kind, "metadata": {**meta, "creationTimestamp": created, "managedFields": FIELDS}, "spec": told})
    )


def test_a_resource_is_read_with_its_author() -> None:
    one = declared(policy={"mode": "auto"})
    assert (one.service, one.author, one.problem) == ("chat", "argocd", "")
    assert one.told == "scalingpolicies llm/chat, generation 3"
    assert one.spec is not None and one.spec.policy == Policy.model_validate({"mode": "auto"})


def test_what_can_be_followed_is_chosen() -> None:
    one = declared()
    assert judged([one], ["chat"], TARGETS) == ({"chat": one}, {})


@pytest.mark.parametrize(
    ("spec", "reason", "why"),
    [
        ({"policy": {"replicas": {"min": 9, "max": 2}}}, "InvalidPolicy", "spec.policy.replicas"),
        (
            {
                "policy": {
                    "schedule": [{"days": ["mon"], "start": "08:00", "end": "09:00", "min": 1, "time_zone": "Mars"}]
                }
            },
            "InvalidPolicy",
            "Mars",
        ),
        ({"service": "other"}, "UnknownService", "service other is not in the daemon's fleet file; there are chat"),
        (
            {"targetRef": {"kind": "Deployment", "name": "gone"}},
            "TargetNotFound",
            "Deployment llm/gone is not there, or no pool of chat; label it leadtime.dev/service=chat",
        ),
        (
            {"targetRef": {"kind": "Deployment", "name": "vllm-chat", "pool": "chat-l4"}},
            "OtherPool",
            "is pool chat-h100, not chat-l4; give pool: chat-h100",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(spec: dict[str, Any], reason: str, why: str) -> None:
    chosen, refused = judged([declared(**spec)], ["chat"], TARGETS)
    assert chosen == {} and refused["uid-chat"].reason == reason
    assert why in refused["uid-chat"].message and "\n" not in refused["uid-chat"].message


def test_of_two_the_older_one_has_the_service() -> None:
    old, new = declared("b", "2026-11-20T00:00:00Z", service="chat"), declared("a", service="chat")
    chosen, refused = judged([new, old], ["chat"], TARGETS)
    assert chosen["chat"] is old
    assert refused["uid-a"].reason == "ServiceTaken" and "llm/b's already" in refused["uid-a"].message


@pytest.mark.parametrize("there", [None, declared("mine", service="chat", policy={"mode": "shadow"})])
def test_yaml_to_commit_is_a_resource_that_says_the_policy(there: Declared | None) -> None:
    policy = Policy.model_validate({"mode": "off", "replicas": {"min": 2, "max": 5}})
    said = yaml.safe_load(document(resource_of("chat", policy, there, [TARGET])))
    assert said["spec"]["policy"]["mode"] == "off"  # in quotes: YAML reads a boolean without
    made = ScalingPolicy.model_validate(said)
    assert made.spec.policy == policy and made.service == "chat" and made.spec.target_ref.name == "vllm-chat"
    assert made.metadata.name == ("mine" if there else "vllm-chat")


def test_a_service_without_a_workload_has_nothing_to_commit() -> None:
    with pytest.raises(LookupError, match="no workload is a pool of code"):
        resource_of("code", Policy(), None, [TARGET])
