"""Nodes for the fake API: one in trouble, one that did not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from app.api.nodes import GpuState, GpuView, NodesView, NodeView

if TYPE_CHECKING:
    from tests.app.console.fake_api import World

GIB = 2.0**30


def gpu(node: int, at: int, state: GpuState, at_s: float) -> GpuView:
    """A GPU in a state, with figures that fit it."""
    unseen, busy, held = state == "unseen", state == "busy", state in ("busy", "idle_held", "unseen")
    service = "chat-70b" if node < 2 else "code-34b"
    return GpuView(
        uuid=f"GPU-{node}-{at}",
        index="" if unseen else str(at),
        model="NVIDIA H100 80GB HBM3",
        mig="",
        state=state,
        replica=f"{service}-{node * 4 + at // 2}" if held else None,
        service=service if held else None,
        tier="active" if busy else "standby" if held else None,
        pod=None,
        at_s=None if unseen else at_s,
        util_ratio=None if unseen else 0.93 if busy else 0.0,
        sm_active_ratio=None if unseen else 0.6 if busy else 0.0,
        tensor_active_ratio=None if unseen else 0.18 + 0.02 * at if busy else 0.0,
        dram_active_ratio=None if unseen else 0.45 + 0.04 * at if busy else 0.0,
        memory_used_bytes=None if unseen else 72 * GIB if held else 0.5 * GIB,
        memory_total_bytes=None if unseen else 80 * GIB,
        power_watts=None if unseen else 540.0 + 10 * at if busy else 110.0,
        temperature_celsius=None if unseen else 62.0 + at if busy else 38.0,
        xid=None if unseen else 79 if state == "faulty" else 0,
        xid_action="reboot_node" if state == "faulty" else None,
        ecc_double_bit=None if unseen else float(state == "faulty"),
        row_remap_failed=None if unseen else 0.0,
    )


def nodes(at_s: float) -> NodesView:
    """Four nodes of eight."""
    states: list[list[GpuState]] = [
        ["busy"] * 8,
        ["busy"] * 4 + ["idle_held"] * 2 + ["idle"] * 2,
        ["busy", "busy", "faulty", "idle", "idle", "idle", "unseen", "unseen"],
    ]
    gaps = [None, None, "2 GPUs that replicas hold were not told of"]
    told = [
        NodeView(node=f"h100-node-{n}", gpus=[gpu(n, at, state, at_s) for at, state in enumerate(row)], gap=gaps[n])
        for n, row in enumerate(states)
    ]
    gone = NodeView(node="h100-node-3", gpus=[], gap="no answer within 4 s")
    return NodesView(at_s=at_s, nodes=[*told, gone])


def router(world: World) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/nodes")
    def get_nodes() -> NodesView:
        nothing = world.mode in ("empty", "young")
        return NodesView(at_s=None, nodes=[]) if nothing else nodes(world.seen_s)

    return routes
