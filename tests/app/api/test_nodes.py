"""Nodes and GPUs from what the exporters told, with what was not told named."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from app.api.nodes import nodes_view
from app.daemon.memory import Memory
from app.daemon.parts import Daemon
from collectors.observation import Gap, GpuSample


def sample(uuid: str, index: str = "0", **figures: float | int) -> GpuSample:
    told = GpuSample(uuid=uuid, node="n1", at_s=1.0, index=index, memory_used_bytes=0.0, memory_free_bytes=8.0)
    return replace(told, **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "state"),
    [
        ({"sm_active_ratio": 0.5, "util_ratio": 0.9}, "busy"),
        ({"sm_active_ratio": 0.0, "util_ratio": 0.0}, "idle"),
        ({"sm_active_ratio": 0.0, "util_ratio": 0.0, "memory_used_bytes": 7.0}, "idle_held"),
        ({"xid": 79}, "faulty"),
    ],
)
def test_each_gpu_has_a_state(figures: dict[str, float], state: str) -> None:
    (node,) = nodes_view(Memory(gpu_samples=(sample("a", **figures),))).nodes
    assert node.gpus[0].state == state
    assert node.gpus[0].xid_action == ("reboot_node" if state == "faulty" else None)


def test_gpus_are_ordered_by_number() -> None:
    samples = tuple(sample(uuid, index) for uuid, index in (("a", "10"), ("b", "2"), ("c", "")))
    (node,) = nodes_view(Memory(gpu_samples=samples)).nodes
    assert [gpu.uuid for gpu in node.gpus] == ["b", "a", "c"]
    assert node.gpus[0].memory_total_bytes == 8.0 and node.gpus[0].power_watts is None


def test_a_node_that_tells_nothing_is_named_with_its_reason() -> None:
    memory = Memory(nodes=("n1", "n2"), gaps=(Gap("n2", "no answer within 4 s"),))
    assert [(node.node, node.gap) for node in nodes_view(memory).nodes] == [
        ("n1", "no exporter told of its GPUs"),
        ("n2", "no answer within 4 s"),
    ]


async def test_what_only_a_replica_tells_of_is_unseen(api: httpx.AsyncClient, daemon: Daemon) -> None:
    daemon.memory.gpu_samples = ()
    told = (await api.get("/api/v1/nodes")).json()
    gpus = [gpu for node in told["nodes"] for gpu in node["gpus"]]
    held = {uuid for replica in daemon.memory.services["chat"].replicas for uuid in replica.gpus}
    assert {gpu["uuid"] for gpu in gpus} == held
    assert all(gpu["state"] == "unseen" and gpu["service"] == "chat" and gpu["power_watts"] is None for gpu in gpus)
