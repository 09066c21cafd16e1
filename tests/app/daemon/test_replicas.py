"""Whom a tick asks: every engine that should answer, every node, the gateway."""

from __future__ import annotations

from dataclasses import replace

from app.daemon.replicas import equipped, held, targets
from collectors.observation import GpuSample
from runtime.replica import Tier
from tests.app.fakes import POOL, replica


def test_targets_are_engines_nodes_and_the_gateway() -> None:
    asked = targets([replica(0, Tier.ACTIVE), replica(1, Tier.WARM_NODE)], ["node-0"], [POOL], "http://fleet")
    assert [(t.kind, t.name, t.url) for t in asked] == [
        ("engine", "chat-0", "http://chat-0/metrics"),
        ("dcgm", "node-0", "http://fleet/nodes/node-0/metrics"),
        ("gateway", "gateway", "http://fleet/gateway/metrics"),
    ]


def test_a_router_stands_in_for_the_fleet_s_gateway() -> None:
    asked = targets([], [], [POOL], "http://fleet", "http://router/metrics")
    assert [t.url for t in asked] == ["http://router/metrics"]


def test_a_fleet_without_an_address_has_no_gateway_of_its_own() -> None:
    assert targets([], [], [POOL], "") == []
    assert [t.url for t in targets([], [], [POOL], "", "http://router/metrics")] == ["http://router/metrics"]


def test_replicas_hold_their_gpus() -> None:
    assert held([replica(0, Tier.ACTIVE), replica(3, Tier.ASLEEP)]) == {"GPU-0", "GPU-3"}


def test_gpus_that_the_fleet_does_not_know_are_those_that_the_exporter_tells_of_the_pod() -> None:
    pod, local, other = replace(replica(0, Tier.ACTIVE), gpus=()), replica(1, Tier.ACTIVE), replica(2, Tier.ACTIVE)
    seen = [
        GpuSample(uuid, "node-0", 0.0, pod=name) for uuid, name in (("B", pod.name), ("A", pod.name), ("A", pod.name))
    ]
    found = equipped([pod, local, replace(other, gpus=())], [*seen, GpuSample("C", "node-0", 0.0)])
    assert [one.gpus for one in found] == [("A", "B"), local.gpus, ()]
