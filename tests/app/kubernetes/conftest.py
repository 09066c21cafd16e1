"""A cluster of two nodes with one pool, and our own fleet over it."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest_asyncio

from app.kubernetes.fleet import ClusterFleet
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.plan import Rules
from runtime.kubernetes.spec import FleetSpec
from tests.runtime.kubernetes.apiserver import Json, Refusal, _merged
from tests.runtime.kubernetes.cluster import Cluster
from tests.runtime.kubernetes.conftest import FakeEngines, Short

LABELS = {"leadtime.dev/service": "chat", "leadtime.dev/pool": "chat-h100"}

FIELDS = [
    {"manager": "helm", "operation": "Update", "time": "2026-11-20T00:00:00Z", "fieldsV1": {"f:spec": {}}},
    {"manager": "argocd", "operation": "Apply", "time": "2026-11-21T00:00:00Z", "fieldsV1": {"f:spec": {}}},
    {"manager": "leadtime", "subresource": "status", "time": "2026-11-22T00:00:00Z", "fieldsV1": {"f:status": {}}},
]


@dataclass(slots=True)
class Setting:
    """The cluster, and fleets over it: each is a process."""

    cluster: Cluster = field(default_factory=Cluster)
    engines: FakeEngines = field(default_factory=FakeEngines)
    fleets: list[ClusterFleet] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.server.served |= {"scalingpolicies", "services"}
        self.cluster.server.faults.append(self._policy_patch)

    def api(self, may_write: Callable[[], bool] = lambda: True) -> Api:
        clock = Short(self.cluster.clock)
        return Api(Connection("http://cluster"), clock, transport=self.cluster.server, may_write=may_write)

    def fleet(self, may_write: Callable[[], bool] = lambda: True, first_s: float = 10.0) -> ClusterFleet:
        """Not started; nobody looks after its targets but ``apply``."""
        api, clock = self.api(may_write), Short(self.cluster.clock)
        spec = FleetSpec(discover=("llm",), rules=Rules(settle_s=10), look_s=60, stale_s=120, first_s=first_s)
        made = ClusterFleet(api, spec, clock, lambda: KubernetesFleet(api, made.spec, clock, self.engines))
        self.fleets.append(made)
        return made

    def declare(self, name: str = "chat", *, generation: int = 1, **spec: Any) -> Json:
        """Somebody writes a ScalingPolicy."""
        told = {"service": "chat", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}}
        known = self.cluster.server.objects.get(("scalingpolicies", "llm", name))
        meta = {"name": name, "namespace": "llm", "generation": generation, "managedFields": FIELDS}
        meta |= {"uid": known["metadata"]["uid"]} if known else {}
        kind = {"apiVersion": "leadtime.dev/v1alpha1", "kind": "ScalingPolicy"}
        status = known.get("status", {}) if known else {}
        obj = {**kind, "metadata": meta, "spec": {**told, **spec}, "status": status}
        return self.cluster.server.put("scalingpolicies", obj)

    def declared(self, name: str = "chat") -> Json:
        return self.cluster.server.get("scalingpolicies", name)

    def _policy_patch(self, request: httpx.Request) -> httpx.Response | None:
        """What the small server does not know: trials without effect, and generations."""
        path = request.url.path.split("/")
        if request.method != "PATCH" or path[-2] != "scalingpolicies":
            return None
        body, known = json.loads(request.content), self.declared(path[-1])
        if body["metadata"].pop("resourceVersion") != known["metadata"]["resourceVersion"]:
            return Refusal(409, "Conflict", "the object has been modified").response()
        made = _merged(copy.deepcopy(known), body)
        made["metadata"]["generation"] += 1
        dry = request.url.params.get("dryRun") == "All"
        self.patches.append("dry" if dry else "real")
        if not dry:
            self.cluster.server.put("scalingpolicies", made)
        return httpx.Response(200, json=made)


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
