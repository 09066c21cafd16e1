"""The cluster's part of the file: what the chart writes is taken, what cannot be meant is one line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.kubernetes.settings import KubernetesSettings, TargetSettings
from runtime.kubernetes.resource import LEADER_WORKER_SETS, Resource


def test_what_the_chart_writes_is_enough() -> None:
    chosen = KubernetesSettings.model_validate({"namespaces": ["llm"], "lease": "leadtime-daemon", "gitops": True})
    assert chosen.discover and chosen.gitops and not chosen.nodes


@pytest.mark.parametrize(
    ("told", "resource"),
    [
        ({"kind": "LeaderWorkerSet", "api_version": "leaderworkerset.x-k8s.io/v1"}, LEADER_WORKER_SETS),
        (
            {"kind": "InferencePool", "api_version": "example.com/v1alpha1"},
            Resource("example.com", "v1alpha1", "inferencepools", "InferencePool"),
        ),
        ({"kind": "Box", "api_version": "v1", "plural": "boxes"}, Resource("", "v1", "boxes", "Box")),
    ],
)
def test_any_kind_can_be_named(told: dict[str, Any], resource: Resource) -> None:
    assert TargetSettings(pool="p", name="w", **told).resource == resource


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"namespaces": []}, "namespaces"),
        ({"namespaces": ["llm"], "taint_faulty_nodes": True}, "give nodes: true"),
        ({"namespaces": ["llm"], "discover": False}, "name a workload or give discover: true"),
        (
            {"namespaces": ["llm"], "targets": [{"pool": "p", "name": "w", "namespace": "web"}]},
            "namespace web is not watched; add it to namespaces",
        ),
        ({"namespaces": ["llm"], "targets": [{"pool": "p", "name": "W W"}]}, "name"),
        ({"namespaces": ["llm"], "targets": [{"pool": "p", "name": "w"}], "agent_pools": ["p"]}, "pool p is a target"),
    ],
)
def test_what_cannot_be_meant_is_refused(told: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        KubernetesSettings.model_validate(told)
