"""GPUs by node: how many there are, how many can be used, and what stands in the way. Pure, but for two patches.

Names are those of the NVIDIA GPU operator: ``nvidia.com/gpu`` and its labels, ``nvidia.com/mig-1g.10gb`` for slices.
``allocatable`` is what the device plugin still offers: it withdraws a GPU that has failed, while ``capacity`` stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.kubernetes.client import Api
from runtime.kubernetes.resource import NODES

Json = dict[str, Any]

GPU = "nvidia.com/gpu"
MIG = "nvidia.com/mig-"
PRODUCT = "nvidia.com/gpu.product"
MEMORY_MIB = "nvidia.com/gpu.memory"
FAULTY = "leadtime.dev/faulty-gpu"
"""The taint that we put on a node, with NoSchedule."""


@dataclass(frozen=True, slots=True)
class GpuNode:
    """A node with GPUs or slices of them. ``capacity`` and ``allocatable`` by resource name; ``used`` by its pods."""

    name: str
    product: str
    memory_mib: int | None
    capacity: Mapping[str, int]
    allocatable: Mapping[str, int]
    used: Mapping[str, int]
    ready: bool
    cordoned: bool
    taints: tuple[str, ...]

    @property
    def schedulable(self) -> bool:
        """Ready, and neither cordoned nor closed by us. Other taints are for the pods to tolerate."""
        return self.ready and not self.cordoned and FAULTY not in self.taints

    def free(self, kind: str = GPU) -> int:
        """Of that resource, what a new pod could get."""
        return max(0, self.allocatable.get(kind, 0) - self.used.get(kind, 0)) if self.schedulable else 0

    @property
    def withdrawn(self) -> int:
        """GPUs that are there and not offered, as after an XID."""
        return max(0, self.capacity.get(GPU, 0) - self.allocatable.get(GPU, 0))


def inventory(nodes: Iterable[Json], pods: Iterable[Json]) -> tuple[GpuNode, ...]:
    """Nodes with GPUs, by name. A terminating pod holds its GPUs until it is gone, a finished one none."""
    used: dict[str, dict[str, int]] = {}
    for pod in pods:
        node, phase = pod["spec"].get("nodeName"), (pod.get("status") or {}).get("phase")
        if node and phase not in ("Succeeded", "Failed"):
            for kind, count in gpus_of(pod["spec"]).items():
                used.setdefault(node, {})[kind] = used.get(node, {}).get(kind, 0) + count
    found = [_node(node, used.get(node["metadata"]["name"], {})) for node in nodes]
    return tuple(sorted((node for node in found if any(node.capacity.values())), key=lambda node: node.name))


def gpus_of(spec: Json) -> dict[str, int]:
    """GPUs and slices that a pod's containers ask for together."""
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        told = container.get("resources") or {}
        for kind, count in _gpus({**(told.get("requests") or {}), **(told.get("limits") or {})}).items():
            total[kind] = total.get(kind, 0) + count
    return total


def keep(node: Json) -> Json:
    """What anybody reads of a node: the images on it alone are half of the object."""
    meta, status = node["metadata"], node.get("status") or {}
    return {
        "metadata": {k: meta[k] for k in ("name", "uid", "resourceVersion", "labels") if k in meta},
        "spec": {k: node["spec"][k] for k in ("unschedulable", "taints") if k in node["spec"]},
        "status": {k: status[k] for k in ("capacity", "allocatable", "conditions") if k in status},
    }


def closing(node: Json) -> list[Json] | None:
    """The JSON patch that taints a node whose GPU is faulty; None where it is tainted already.

    The list of taints is replaced as a whole by any other patch, which would lose a taint that came meanwhile.
    """
    taints = node["spec"].get("taints")
    if any(taint["key"] == FAULTY for taint in taints or ()):
        return None
    ours = {"key": FAULTY, "value": "true", "effect": "NoSchedule"}
    add = {"op": "add", "path": "/spec/taints/-", "value": ours} if taints else _first(ours)
    return [_unchanged(node), add]


def opening(node: Json) -> list[Json] | None:
    """The JSON patch that takes our taint away again; None where there is none."""
    for i, taint in enumerate(node["spec"].get("taints") or ()):
        if taint["key"] == FAULTY:
            path = f"/spec/taints/{i}"
            return [{"op": "test", "path": f"{path}/key", "value": FAULTY}, {"op": "remove", "path": path}]
    return None


async def close_node(api: Api, node: Json) -> bool:
    """Taint a node; whether anything was written. Raises Invalid where it has changed since it was read, KubeError.

    Only for those whose policy allows it: it needs the right to patch nodes, which nothing else here does.
    """
    operations = closing(node)
    if operations is not None:
        await api.operate(NODES.at(name=node["metadata"]["name"]), operations)
    return operations is not None


async def open_node(api: Api, node: Json) -> bool:
    """Take the taint away; whether anything was written. Raises as ``close_node``."""
    operations = opening(node)
    if operations is not None:
        await api.operate(NODES.at(name=node["metadata"]["name"]), operations)
    return operations is not None


def _first(taint: Json) -> Json:
    return {"op": "add", "path": "/spec/taints", "value": [taint]}


def _unchanged(node: Json) -> Json:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": node["metadata"]["resourceVersion"]}


def _node(node: Json, used: Mapping[str, int]) -> GpuNode:
    labels, status = node["metadata"].get("labels") or {}, node.get("status") or {}
    memory = labels.get(MEMORY_MIB, "")
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return GpuNode(
        name=node["metadata"]["name"],
        product=labels.get(PRODUCT, ""),
        memory_mib=int(memory) if memory.isdigit() else None,
        capacity=_gpus(status.get("capacity") or {}),
        allocatable=_gpus(status.get("allocatable") or {}),
        used=dict(used),
        ready=ready,
        cordoned=bool(node["spec"].get("unschedulable")),
        taints=tuple(taint["key"] for taint in node["spec"].get("taints") or ()),
    )


def _gpus(quantities: Mapping[str, Any]) -> dict[str, int]:
    """Extended resources are whole numbers, as text."""
    return {kind: int(count) for kind, count in quantities.items() if kind == GPU or kind.startswith(MIG)}
