"""Nodes with a sick GPU: closed to new pods where the settings allow it, opened again when nothing is wrong any more.

What is sick is judged as for replicas (``autoscaler.safety.health``); a node is as healthy as the worst of its GPUs.
Promise: a node is closed only on a fault that was seen to appear, opened only while every one of its GPUs says that
nothing is wrong, for ``OPEN_AFTER_S``, and neither on data that is missing; most nodes stay open whatever is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from autoscaler.safety.health import Health, examine, vitals
from collectors.health import faulty
from collectors.observation import GpuSample
from runtime.kubernetes.client import Api, Json, NotLeading
from runtime.kubernetes.errors import KubeError
from runtime.kubernetes.nodes import close_node, closing, open_node
from runtime.replica import Replica, Tier

OPEN_AFTER_S = 600.0
"""A GPU that was reset shows within seconds whether that helped; a loose one comes and goes."""

CLOSED_SHARE = 1 / 3
"""Of the nodes with GPUs so many are closed at most: where all report a fault it is rather the driver."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now: nodes to close with the reason, and nodes to open."""

    close: Mapping[str, str]
    open: tuple[str, ...]


@dataclass(slots=True)
class FaultyNodes:
    """What is remembered from look to look: of GPUs, and since when the nodes that we closed are well."""

    health: Health = field(default_factory=Health)
    well_since_s: dict[str, float] = field(default_factory=dict)

    def judge(self, gpus: Sequence[GpuSample], closed: Collection[str], now_s: float) -> Verdict:
        """After a look at all GPUs; ``closed`` are the nodes that bear our taint."""
        by_node = _by_node(gpus)
        self.health = examine(self.health, [_whole(node, here) for node, here in by_node.items()], vitals(gpus), now_s)
        sick = {one.replica: one.reason for one in self.health.sick if one.urgent}
        well = {node for node in closed if node in by_node and not any(map(_wrong, by_node[node]))}
        self.well_since_s = {node: self.well_since_s.get(node, now_s) for node in well}
        opening = tuple(sorted(node for node, at_s in self.well_since_s.items() if now_s - at_s >= OPEN_AFTER_S))
        room = max(1, int(len(by_node) * CLOSED_SHARE)) - len(closed)
        new = sorted(node for node in sick if node not in closed and any(map(_wrong, by_node[node])))[: max(0, room)]
        return Verdict({node: sick[node] for node in new}, opening)


async def carry_out(api: Api, verdict: Verdict, nodes: Iterable[Json]) -> None:
    """Taint and untaint. What the server refuses, or what has changed since it was seen, is judged anew next time."""
    known = {node["metadata"]["name"]: node for node in nodes}
    for name, reason in verdict.close.items():
        await _tried(api, known.get(name), reason, close=True)
    for name in verdict.open:
        await _tried(api, known.get(name), "its GPUs are well again", close=False)


def closed_by_us(nodes: Iterable[Json]) -> set[str]:
    """Names of the nodes that bear our taint."""
    return {node["metadata"]["name"] for node in nodes if closing(node) is None}


async def _tried(api: Api, node: Json | None, reason: str, *, close: bool) -> None:
    if node is None:
        return
    name, done = node["metadata"]["name"], "node closed" if close else "node opened"
    try:
        if await (close_node if close else open_node)(api, node):
            log.warning(done, node=name, reason=reason)
    except (KubeError, NotLeading) as error:
        log.warning("node not changed", node=name, why=str(error))


def _by_node(gpus: Iterable[GpuSample]) -> dict[str, list[GpuSample]]:
    found: dict[str, list[GpuSample]] = defaultdict(list)
    for gpu in gpus:
        found[gpu.node].append(gpu)
    return dict(found)


def _whole(node: str, gpus: Iterable[GpuSample]) -> Replica:
    """All of a node as one replica that has been there for ever, which is how a fault is judged."""
    return Replica(node, "", "", Tier.ACTIVE, None, 0.0, "", node, tuple(dict.fromkeys(gpu.uuid for gpu in gpus)))


def _wrong(gpu: GpuSample) -> bool:
    """Something stands there, new or old."""
    return faulty(gpu) or bool(gpu.row_remap_failed)
