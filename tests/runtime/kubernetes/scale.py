"""What a large fleet costs: python -m tests.runtime.kubernetes.scale

100 services, 2,000 replicas, 10,000 GPUs at the small API server in memory, whose own work is in the figures.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import resource
import time

import structlog
from rich.console import Console

from runtime.fleet import PoolTarget
from runtime.kubernetes.spec import TargetSpec
from tests.runtime.kubernetes.cluster import Cluster
from tests.runtime.kubernetes.conftest import World
from tests.runtime.kubernetes.recordings import items

SERVICES, REPLICAS, NODES = 100, 20, 1250


def _fill(cluster: Cluster) -> None:
    ready = items("deletion-cost-1-pods-before")[0]
    for service in range(SERVICES):
        cluster.workload(f"s{service}", REPLICAS, gpus=5)
        for number in range(REPLICAS):
            pod = copy.deepcopy(ready)
            labels = {"app": f"s{service}", "leadtime.dev/rotation": "in", "pod-template-hash": "1"}
            name = f"s{service}-{number}"
            pod["metadata"] |= {"name": name, "uid": name, "labels": labels}
            pod["spec"]["nodeName"] = f"node-{(service * REPLICAS + number) % NODES}"
            cluster.server.put("pods", pod)


def _mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main() -> None:
    """Print it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    world, say = World(Cluster(NODES, 8)), Console().print
    _fill(world.cluster)
    before_mib, began_s = _mib(), time.process_time()
    fleet = await world.fleet(*[TargetSpec(f"s{i}", "p", "llm", f"s{i}") for i in range(SERVICES)])
    say(f"start: {time.process_time() - began_s:.2f} s CPU, {_mib() - before_mib:.0f} MiB more")
    for what, count in (("first", REPLICAS), ("nothing to do", REPLICAS), ("all out by 2", REPLICAS + 2)):
        asked, began_s = len(world.cluster.server.requests), time.process_time()
        await fleet.apply([PoolTarget(f"s{i}", "p", count) for i in range(SERVICES)], "d")
        used_s, asked = time.process_time() - began_s, len(world.cluster.server.requests) - asked
        say(f"tick, {what}: {used_s:.2f} s CPU, {asked} API calls")
    began_s = time.process_time()
    found = await fleet.replicas()
    say(f"list of {len(found)} replicas: {time.process_time() - began_s:.2f} s CPU")
    await fleet.close()


if __name__ == "__main__":
    asyncio.run(main())
