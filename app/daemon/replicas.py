"""What the fleet's list of replicas means to the loop: what to scrape, and which GPUs are held. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from autoscaler.counts import answers
from collectors.observation import GpuSample
from collectors.source import Target
from runtime.pool import Pool
from runtime.replica import Replica


def held(replicas: Iterable[Replica]) -> frozenset[str]:
    """UUIDs of the GPUs that replicas occupy."""
    return frozenset(gpu for replica in replicas for gpu in replica.gpus)


def equipped(replicas: Iterable[Replica], gpus: Iterable[GpuSample]) -> tuple[Replica, ...]:
    """Replicas with their GPUs, where the fleet does not know them: in a cluster the exporter tells them by pod."""
    by_pod: dict[str, list[str]] = defaultdict(list)
    for gpu in gpus:
        if gpu.pod and gpu.uuid not in by_pod[gpu.pod]:
            by_pod[gpu.pod].append(gpu.uuid)
    return tuple(one if one.gpus else replace(one, gpus=tuple(sorted(by_pod.get(one.name, ())))) for one in replicas)


def targets(
    replicas: Iterable[Replica],
    nodes: Iterable[str],
    pools: Iterable[Pool],
    fleet_url: str,
    gateway_url: str | None = None,
) -> list[Target]:
    """One engine target per running replica, one exporter per node, one gateway: the fleet's own if none is given.

    A fleet without an address has no gateway, and one that is not there is no gap.
    """
    engines = {pool.name: pool.engine for pool in pools}
    known = [replica for replica in replicas if answers(replica) and replica.pool in engines]
    scraped = [Target("engine", r.name, f"{r.base_url}/metrics", engines[r.pool]) for r in known]
    scraped += [Target("dcgm", node, f"{fleet_url}/nodes/{node}/metrics") for node in nodes]
    own = f"{fleet_url}/gateway/metrics" if fleet_url else None
    gateway = gateway_url or own
    return [*scraped, *([Target("gateway", "gateway", gateway)] if gateway else [])]
