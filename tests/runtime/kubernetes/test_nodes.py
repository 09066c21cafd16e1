"""GPUs by node from recorded nodes, and patches that the recorded server took."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.kubernetes.errors import Invalid
from runtime.kubernetes.nodes import FAULTY, GPU, close_node, closing, gpus_of, inventory, keep, open_node, opening
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import Replay, api, body, items, recording


def node(name: str = "node-get") -> Any:
    return keep(body(name))


def test_the_recorded_nodes_have_four_gpus_each() -> None:
    found = inventory(items("node-list"), [])
    assert [(n.name, n.product, n.memory_mib, n.free()) for n in found] == [
        (f"gpu-node-{i}", "NVIDIA-H100-80GB-HBM3", 81559, 4) for i in (0, 1)
    ]


def test_terminating_pods_hold_their_gpus_and_pending_ones_none() -> None:
    found = inventory(items("node-list"), items("pod-list"))
    assert sum(n.used.get(GPU, 0) for n in found) == 8 and [n.free() for n in found] == [0, 0]


@pytest.mark.parametrize(
    ("name", "ready", "cordoned", "withdrawn", "free"),
    [
        ("node-get", True, False, 0, 4),
        ("node-get-cordoned", True, True, 0, 0),
        ("node-get-gpu-unhealthy", True, False, 1, 3),
        ("node-get-not-ready", False, False, 0, 0),
    ],
)
def test_what_stands_in_the_way(name: str, ready: bool, cordoned: bool, withdrawn: int, free: int) -> None:
    (found,) = inventory([node(name)], [])
    assert (found.ready, found.cordoned, found.withdrawn, found.free()) == (ready, cordoned, withdrawn, free)


def test_slices_are_counted_by_their_names_and_nodes_without_gpus_left_out() -> None:
    sliced = node()
    sliced["status"] |= {"capacity": {"nvidia.com/mig-1g.10gb": "7"}, "allocatable": {"nvidia.com/mig-1g.10gb": "6"}}
    plain = node("node-get-cordoned")
    plain["status"] |= {"capacity": {"cpu": "8"}, "allocatable": {}}
    (found,) = inventory([sliced, plain], [])
    assert (found.free("nvidia.com/mig-1g.10gb"), found.free()) == (6, 0)


def test_requests_and_limits_are_one_and_containers_add_up() -> None:
    one = {"resources": {"requests": {GPU: "2"}, "limits": {GPU: "2", "memory": "64Gi"}}}
    assert gpus_of({"containers": [one, one, {}]}) == {GPU: 4}


def test_what_is_kept_says_the_same() -> None:
    for obj in items("node-list"):
        assert inventory([keep(obj)], []) == inventory([obj], [])


def test_a_taint_is_appended_as_the_recorded_server_takes_it() -> None:
    recorded = recording("node-taint")["request"]["body"]
    tainted = node("node-get-cordoned")
    patch = closing(tainted)
    assert patch is not None and [op["op"] for op in patch] == ["test", "add"]
    assert [op["path"] for op in patch] == [op["path"] for op in recorded]
    assert patch[1]["value"] == {**recorded[1]["value"], "key": FAULTY}


def test_a_node_without_taints_gets_a_list_for_an_append_would_be_refused() -> None:
    patch = closing(node())
    assert patch is not None and (patch[1]["path"], len(patch[1]["value"])) == ("/spec/taints", 1)


async def test_a_node_is_closed_once_and_opened_again_and_other_taints_stay() -> None:
    server = ApiServer(Jumping())
    other = {"key": "dedicated", "value": "llm", "effect": "NoSchedule"}
    server.put("nodes", {"kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": [other]}, "status": {}})
    client = api(server)
    assert await close_node(client, server.get("nodes", "n"))
    assert not await close_node(client, server.get("nodes", "n"))
    assert [taint["key"] for taint in server.get("nodes", "n")["spec"]["taints"]] == ["dedicated", FAULTY]
    assert await open_node(client, server.get("nodes", "n"))
    assert server.get("nodes", "n")["spec"]["taints"] == [other] and opening(server.get("nodes", "n")) is None


async def test_a_node_that_has_changed_since_is_left_alone() -> None:
    with pytest.raises(Invalid):
        await close_node(api(Replay("node-taint-stale", exact=False)), node("node-get-cordoned"))
