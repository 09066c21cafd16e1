"""Policies as resources: a ScalingPolicy becomes the next version of its service's policy, and is told how it stands.

The resource is what people write, by kubectl, by Git or by the console; the store stays the memory of who changed what
and why. Promises: a generation becomes at most one version, so that a version that was taken back is not forced again;
what cannot be followed is refused by a condition and changes nothing; a status is written when it has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from app.kubernetes.declared import SCALING_POLICIES, Declared, Json, Refusal, judged, keep, read, resource_of
from app.kubernetes.fleet import ClusterFleet
from app.kubernetes.status import Standing, due, status_of
from app.manifests.yamlout import document
from autoscaler.policy import Policy
from runtime.kubernetes.cache import Cache
from runtime.kubernetes.client import Api, NotLeading
from runtime.kubernetes.errors import Conflict, KubeError
from runtime.kubernetes.spec import TargetSpec

log = structlog.get_logger()


class PolicyResources:
    """The ScalingPolicies of some namespaces. ``start`` first; ``committed`` says that Git alone writes them."""

    def __init__(self, api: Api, namespaces: Sequence[str], fleet: ClusterFleet, *, committed: bool = False) -> None:
        self.committed = committed
        self._api = api
        self._fleet = fleet
        self._caches = [
            Cache(api, SCALING_POLICIES.at(namespace), keep=keep, optional=True) for namespace in namespaces
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._refused: dict[str, Refusal] = {}
        self._chosen: dict[str, Declared] = {}

    def start(self) -> None:
        """Begin to watch; a second time changes nothing."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(cache.run()) for cache in self._caches]

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def judge(self, services: Iterable[str]) -> Mapping[str, Declared] | None:
        """The resource of each service that has one; None before all of them, and the workloads, were seen."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
        targets = self._fleet.targets()
        if targets is None or any(cache.synced_s is None for cache in self._caches):
            return None
        self._chosen, self._refused = judged(self._all(), services, targets)
        return self._chosen

    def of(self, service: str) -> Declared | None:
        """The resource that says how a service is scaled, as it was judged last."""
        return self._chosen.get(service)

    def refuse(self, declared: Declared, refusal: Refusal) -> None:
        """What was chosen cannot be followed after all."""
        self._refused[declared.uid] = refusal

    def rival(self, service: str) -> Refusal | None:
        """Why a service's pools are not moved, where another controller moves them."""
        for (of, _), holds in self._fleet.holds().items():
            for hold in holds:
                if of == service and hold.reason.startswith(("ScaledBy", "RivalsUnknown")):
                    return Refusal(hold.reason, hold.message)
        return None

    async def tell(self, standings: Mapping[str, Standing], now_s: float) -> None:
        """Write every status that has changed; one that is refused spoils no other."""
        await asyncio.gather(*(self._tell(one, standings, now_s) for one in self._all()))

    async def _tell(self, one: Declared, standings: Mapping[str, Standing], now_s: float) -> None:
        chosen = self._chosen.get(one.service)
        standing = standings.get(one.service) if chosen is not None and chosen.uid == one.uid else None
        patch = due(one.status, status_of(one, self._refused.get(one.uid), standing, now_s))
        if not patch:
            return
        place = SCALING_POLICIES.at(one.namespace, one.name, "status")
        try:
            self._learn(one, await self._api.merge(place, {"status": patch}))
        except (KubeError, NotLeading) as error:
            log.warning("status not written", policy=f"{one.namespace}/{one.name}", why=str(error))

    # --- edits from here -----------------------------------------------------------------------------------------

    async def write(self, declared: Declared, policy: Policy) -> Declared:
        """Put a policy into its resource, tried without effect first. Raises Conflict where it has changed since it was
        judged, KubeError for what the API server refuses, NotLeading.
        """
        meta = {"resourceVersion": self._version(declared), "uid": declared.uid}
        body = {"metadata": meta, "spec": {"policy": policy.model_dump(mode="json")}}
        await self._api.merge(declared.place, body, trial=True)
        said = await self._api.merge(declared.place, body)
        self._learn(declared, said)
        written = read(keep(said))
        self._chosen[written.service] = written
        return written

    def commit(self, service: str, policy: Policy) -> str:
        """The YAML of a resource that says this policy, to be committed. Raises LookupError where there is no workload
        that it could name.
        """
        targets: Mapping[tuple[str, str], TargetSpec] = self._fleet.targets() or {}
        return document(resource_of(service, policy, self.of(service), targets.values()))

    def _version(self, declared: Declared) -> str:
        """The newest version that still has the spec that was judged: a status that was told is another version."""
        for one in self._all():
            if one.uid == declared.uid and one.generation == declared.generation:
                return one.version
        raise Conflict("the object has been modified", 409)

    def _all(self) -> list[Declared]:
        return [read(obj) for cache in self._caches for obj in cache.objects.values()]

    def _learn(self, one: Declared, said: Json) -> None:
        for cache in self._caches:
            if cache.place.namespace == one.namespace:
                cache.learn(said)
