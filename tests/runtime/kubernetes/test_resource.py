"""Paths are those that were recorded."""

from __future__ import annotations

import pytest

from runtime.kubernetes.resource import DEPLOYMENTS, EVENTS, LEASES, NODES, PODS
from tests.runtime.kubernetes.recordings import NAMES, place, recording


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("version-get", "readyz-get", "discovery-leadtime")])
def test_a_place_has_the_recorded_path(name: str) -> None:
    path = recording(name)["request"]["path"]
    assert place(path).path == path


def test_known_resources_are_where_they_are() -> None:
    assert DEPLOYMENTS.at("llm", "x", "scale").path == "/apis/apps/v1/namespaces/llm/deployments/x/scale"
    assert PODS.at("llm", "p", "eviction").path == "/api/v1/namespaces/llm/pods/p/eviction"
    assert NODES.at(name="n").path == "/api/v1/nodes/n"
    assert (EVENTS.api_version, PODS.api_version, LEASES.at("a").label) == ("events.k8s.io/v1", "v1", "leases")
