"""Who else scales a target, by its reference."""

from __future__ import annotations

import pytest

from runtime.kubernetes.resource import LEADER_WORKER_SETS, STATEFUL_SETS
from runtime.kubernetes.rivals import rival
from runtime.kubernetes.spec import FleetSpec, TargetSpec
from tests.runtime.kubernetes.recordings import items

QWEN = TargetSpec("qwen", "h100", "llm", "vllm-qwen3-32b")


def scaled_object(name: str, **reference: str) -> dict[str, object]:
    return {"metadata": {"name": "so", "namespace": "llm"}, "spec": {"scaleTargetRef": {"name": name, **reference}}}


def test_the_recorded_autoscaler_is_found_and_named() -> None:
    found = rival(QWEN, items("hpa-list"), [])
    assert found is not None and found.reason == "ScaledByHorizontalPodAutoscaler"
    assert "llm/vllm-qwen3-32b" in found.message
    assert rival(QWEN, items("hpa-list-empty"), []) is None


@pytest.mark.parametrize(
    "other",
    [
        TargetSpec("s", "p", "llm", "other"),
        TargetSpec("s", "p", "elsewhere", "vllm-qwen3-32b"),
        TargetSpec("s", "p", "llm", "vllm-qwen3-32b", STATEFUL_SETS),
    ],
)
def test_others_are_not_meant(other: TargetSpec) -> None:
    assert rival(other, items("hpa-list"), []) is None


def test_a_scaled_object_means_a_deployment_unless_it_says_otherwise() -> None:
    found = rival(QWEN, [], [scaled_object("vllm-qwen3-32b")])
    assert found is not None and found.reason == "ScaledByScaledObject"
    lws = TargetSpec("s", "p", "llm", "big", LEADER_WORKER_SETS)
    reference = {"apiVersion": "leaderworkerset.x-k8s.io/v2", "kind": "LeaderWorkerSet"}
    assert rival(lws, [], [scaled_object("big", **reference)]) is not None
    assert rival(lws, [], [scaled_object("big")]) is None


def test_a_fleet_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="both empty"):
        FleetSpec()
    with pytest.raises(ValueError, match="qwen h100 is there twice"):
        FleetSpec((QWEN, QWEN))
    with pytest.raises(ValueError, match="named by two pools"):
        FleetSpec((QWEN, TargetSpec("qwen", "other", "llm", "vllm-qwen3-32b")))
    with pytest.raises(ValueError, match="service is empty"):
        TargetSpec("", "p", "llm", "x")
    with pytest.raises(ValueError, match="must be above look_s"):
        FleetSpec((QWEN,), look_s=5, stale_s=5)
