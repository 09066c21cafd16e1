"""A cluster of two nodes with one pool, and our own fleet over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest_asyncio

from app.kubernetes.fleet import ClusterFleet
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.plan import Rules
from runtime.kubernetes.spec import FleetSpec
from tests.runtime.kubernetes.cluster import Cluster
from tests.runtime.kubernetes.conftest import FakeEngines, Short

LABELS = {"leadtime.dev/service": "chat", "leadtime.dev/pool": "chat-h100"}


@dataclass(slots=True)
class Setting:
    """The cluster, and fleets over it: each is a process."""

    cluster: Cluster = field(default_factory=Cluster)
    engines: FakeEngines = field(default_factory=FakeEngines)
    fleets: list[ClusterFleet] = field(default_factory=list)

    def api(self, may_write: Callable[[], bool] = lambda: True) -> Api:
        clock = Short(self.cluster.clock)
        return Api(Connection("http://cluster"), clock, transport=self.cluster.server, may_write=may_write)

    def fleet(self, may_write: Callable[[], bool] = lambda: True) -> ClusterFleet:
        """Not started; nobody looks after its targets but ``apply``."""
        api, clock = self.api(may_write), Short(self.cluster.clock)
        spec = FleetSpec(discover=("llm",), rules=Rules(settle_s=10), look_s=60, stale_s=120, first_s=0.2)
        made = ClusterFleet(api, spec, clock, lambda: KubernetesFleet(api, spec, clock, self.engines))
        self.fleets.append(made)
        return made


@pytest_asyncio.fixture
async def setting() -> AsyncIterator[Setting]:
    """One Deployment of two replicas, ready."""
    made = Setting()
    made.cluster.workload("chat", 2, **LABELS)
    for _ in range(20):
        made.cluster.step(5.0)
    yield made
    for fleet in made.fleets:
        await fleet.close()
