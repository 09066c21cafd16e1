"""Reads: nodes and their GPUs, as the exporters told of them last, and which replica holds which.

What should be there and was not seen is named: a GPU that a replica holds and no exporter told of, a node that did not
answer. Its figures are null, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from fastapi import APIRouter

from app.api.backend import Back
from app.api.schemas.schema import Schema
from app.daemon.memory import Memory
from collectors.health import faulty, gpu_use, xid_action
from collectors.observation import GpuSample
from runtime.replica import Replica

router = APIRouter(tags=["fleet"])

GpuState = Literal["faulty", "busy", "idle_held", "idle", "unseen"]
STATES: tuple[GpuState, ...] = ("faulty", "busy", "idle_held", "idle")


class GpuView(Schema):
    """One GPU or MIG slice. Shares lie from 0 to 1; ``memory_total_bytes`` is what is used and free.

    ``idle_held`` is held by a replica and does nothing; ``unseen`` is held, and no exporter told of it. ``xid_action``
    says what the last XID asks for; ``ecc_double_bit`` counts errors that could not be corrected.
    """

    uuid: str
    index: str
    model: str
    mig: str
    state: GpuState
    replica: str | None
    service: str | None
    tier: str | None
    pod: str | None
    at_s: float | None
    util_ratio: float | None
    sm_active_ratio: float | None
    tensor_active_ratio: float | None
    dram_active_ratio: float | None
    memory_used_bytes: float | None
    memory_total_bytes: float | None
    power_watts: float | None
    temperature_celsius: float | None
    xid: int | None
    xid_action: str | None
    ecc_double_bit: float | None
    row_remap_failed: float | None


class NodeView(Schema):
    """One node; ``gap`` says why nothing, or not everything, is known of it."""

    node: str
    gpus: list[GpuView]
    gap: str | None


class NodesView(Schema):
    """All nodes by name, at the time of the last look; null before the first."""

    at_s: float | None
    nodes: list[NodeView]


SAME = (
    "util_ratio",
    "sm_active_ratio",
    "tensor_active_ratio",
    "dram_active_ratio",
    "memory_used_bytes",
    "power_watts",
    "temperature_celsius",
    "xid",
    "ecc_double_bit",
    "row_remap_failed",
)


@router.get("/nodes")
async def nodes(back: Back) -> NodesView:
    """Every node with its GPUs."""
    return nodes_view(back.memory)


def nodes_view(memory: Memory) -> NodesView:
    """The memory as nodes and GPUs; pure."""
    replicas = [replica for service in memory.services.values() for replica in service.replicas]
    holders = {uuid: replica for replica in replicas for uuid in replica.gpus}
    seen: dict[str, list[GpuView]] = {}
    for sample in memory.gpu_samples:
        seen.setdefault(sample.node, []).append(gpu_view(sample, holders))
    known = {sample.uuid for sample in memory.gpu_samples}
    missed = {uuid: replica for uuid, replica in holders.items() if uuid not in known}
    for uuid, replica in missed.items():
        seen.setdefault(replica.node, []).append(unseen(uuid, replica))
    gaps = {gap.subject: gap.reason for gap in memory.gaps}
    names = sorted({*seen, *(replica.node for replica in replicas), *memory.nodes})
    told = [NodeView(node=name, gpus=ordered(seen.get(name, [])), gap=gap_of(name, seen, gaps)) for name in names]
    return NodesView(at_s=memory.ticked_at_s, nodes=told)


def gap_of(name: str, seen: Mapping[str, list[GpuView]], gaps: Mapping[str, str]) -> str | None:
    """Why something of a node is not known; None where all is."""
    if name in gaps:
        return gaps[name]
    found = seen.get(name, [])
    if not found:
        return "no exporter told of its GPUs"
    count = sum(gpu.state == "unseen" for gpu in found)
    return f"{count} GPUs that replicas hold were not told of" if count else None


def ordered(gpus: Iterable[GpuView]) -> list[GpuView]:
    """By index, as numbers where they are, and then by what tells them apart."""
    return sorted(gpus, key=lambda gpu: (int(gpu.index) if gpu.index.isdigit() else 1 << 20, gpu.uuid, gpu.mig))


def gpu_view(sample: GpuSample, holders: Mapping[str, Replica]) -> GpuView:
    """One sample with its holder."""
    use = gpu_use([sample], holders.keys() & {sample.uuid})
    used, free = sample.memory_used_bytes, sample.memory_free_bytes
    return GpuView(
        **{name: getattr(sample, name) for name in ("uuid", "index", "model", "mig", "pod", "at_s", *SAME)},
        **held_by(holders.get(sample.uuid)),
        state=next(state for state in STATES if getattr(use, state)),
        memory_total_bytes=None if used is None or free is None else used + free,
        xid_action=xid_action(sample.xid).value if sample.xid and faulty(sample) else None,
    )


def unseen(uuid: str, replica: Replica) -> GpuView:
    """A GPU that only its replica tells of."""
    nothing = dict.fromkeys((*SAME, "pod", "at_s", "memory_total_bytes", "xid_action"))
    return GpuView(uuid=uuid, index="", model="", mig="", state="unseen", **held_by(replica), **nothing)


def held_by(replica: Replica | None) -> dict[str, str | None]:
    """Who holds it."""
    if replica is None:
        return {"replica": None, "service": None, "tier": None}
    state = str(replica.transition or replica.tier)
    return {"replica": replica.name, "service": replica.service, "tier": state}
