"""What the fleet sees: caches of everything that it reads, and what they say about each target.

Pods are many and change seldom, so each is read and assigned to its target once per version of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from runtime.kubernetes import agentpods, resource, selectors, targets
from runtime.kubernetes.agentpods import AgentPod
from runtime.kubernetes.cache import Cache, whole
from runtime.kubernetes.client import Api, Json
from runtime.kubernetes.errors import KubeError, shorten
from runtime.kubernetes.nodes import keep as keep_node
from runtime.kubernetes.plan import Budget, Hold
from runtime.kubernetes.pods import PodState, keep, state, together
from runtime.kubernetes.resource import LEADER_WORKER_SETS, Resource
from runtime.kubernetes.rivals import rival
from runtime.kubernetes.spec import WATCHED, FleetSpec, TargetSpec
from runtime.kubernetes.targets import LWS, Scale

Kind = tuple[str, str]
"""A namespace, and a plural name."""

SIDE = (resource.AUTOSCALERS, resource.SCALED_OBJECTS, resource.BUDGETS)
"""What may be absent or forbidden without the fleet standing still."""


class Picture:
    """``start`` first. Everything else reads what is there, and asks nobody."""

    def __init__(self, api: Api, spec: FleetSpec) -> None:
        self._api = api
        self._spec = spec
        self.caches: dict[Kind, Cache] = {}
        for namespace in spec.namespaces:
            self._add(namespace, resource.PODS)
            for kind in self._workloads(namespace):
                self._add(namespace, kind)
            for kind in SIDE:
                self._add(namespace, kind)
        if spec.nodes:
            self._add("", resource.NODES)
        self._tasks: list[asyncio.Task[None]] = []
        self._states: dict[str, tuple[str, PodState]] = {}
        self._written: dict[str, Scale] = {}
        self._polled: dict[str, Scale] = {}

    async def start(self) -> None:
        """Begin to watch, and wait for the first picture of all that is needed. Raises KubeError."""
        self._tasks = [asyncio.create_task(cache.run()) for cache in self.caches.values()]
        needed = asyncio.gather(*(cache.ready() for cache in self._needed()))
        try:
            async with asyncio.timeout(self._spec.first_s):
                await needed
        except TimeoutError:
            missing = [f"{c.place.path}: {c.problem or 'no answer'}" for c in self._needed() if c.synced_s is None]
            raise KubeError(f"no first picture within {self._spec.first_s:g} s: {'; '.join(missing)}") from None

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what a cache died of, which is a mistake of ours."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    @property
    def synced_s(self) -> float | None:
        """The age of the oldest of what is needed; None before all of it was seen."""
        ages = [cache.synced_s for cache in self._needed()]
        known = [age for age in ages if age is not None]
        return min(known) if known and len(known) == len(ages) else None

    def problems(self) -> dict[str, str]:
        """What is not in step, by path, and why."""
        return {cache.place.path: cache.problem for cache in self.caches.values() if cache.problem}

    # --- targets -------------------------------------------------------------------------------------------------

    def targets(self) -> dict[tuple[str, str], TargetSpec]:
        """Those that were named, and those that say it themselves; of two that claim a pool the first has it."""
        known = {target.key: target for target in self._spec.targets}
        taken = {target.place for target in known.values()}
        for namespace in self._spec.discover:
            for kind in self._workloads(namespace):
                for obj in self.objects(namespace, kind):
                    target = targets.found(obj, kind)
                    if target is not None and target.place not in taken:
                        known.setdefault(target.key, target)
        return known

    async def scale(self, target: TargetSpec) -> Scale:
        """What is asked of a target now: from the watch or, for other resources, by asking. Raises KubeError."""
        path = target.scale.path
        if (obj := self.workload(target)) is not None:
            seen = targets.of_workload(obj, target.resource)
        elif target.resource in WATCHED:
            raise KubeError(f"{target.place.path}: there is no such {target.resource.kind}", 404)
        else:
            seen = await targets.read(self._api, target.scale)
        written = self._written.get(path)
        newer = written is not None and written.uid == seen.uid and written.version > seen.version
        return replace(seen, replicas=written.replicas) if newer and written else seen

    def learn_scale(self, target: TargetSpec, scale: Scale) -> None:
        """What a write was answered with."""
        self._written[target.scale.path] = scale

    def workload(self, target: TargetSpec) -> Json | None:
        """The object itself, where it is watched and there."""
        for obj in self.objects(target.namespace, target.resource):
            if obj["metadata"]["name"] == target.name:
                return obj
        return None

    def failure(self, target: TargetSpec) -> Hold | None:
        """Why its controller makes no pods, such as a quota; its scale does not know."""
        status = (self.workload(target) or {}).get("status") or {}
        for one in status.get("conditions") or ():
            if one["type"] == "ReplicaFailure" and one["status"] == "True":
                return Hold("ReplicaFailure", shorten(one.get("message", "")))
        return None

    def rival(self, target: TargetSpec) -> Hold | None:
        """Who else scales it; not knowing is a reason as well."""
        for kind in (resource.AUTOSCALERS, resource.SCALED_OBJECTS):
            cache = self.caches[target.namespace, kind.plural]
            if cache.synced_s is None:
                return Hold("RivalsUnknown", f"{kind.plural} cannot be read: {cache.problem or 'not yet'}")
        hpas = self.objects(target.namespace, resource.AUTOSCALERS)
        return rival(target, hpas, self.objects(target.namespace, resource.SCALED_OBJECTS))

    def budgets(self, namespace: str) -> list[Budget]:
        """Disruption budgets, as last counted; while they are not known, one that allows nothing."""
        cache = self.caches[namespace, resource.BUDGETS.plural]
        if cache.synced_s is None:
            return [Budget("poddisruptionbudgets that cannot be read", lambda labels: True, 0)]
        return [_budget(obj) for obj in cache.objects.values()]

    # --- pods ----------------------------------------------------------------------------------------------------

    def pods(self, scales: Mapping[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str], list[PodState]]:
        """Pods by target, oldest first, from each target's namespace and selector. Groups are one pod: their leader."""
        by_namespace: dict[str, list[tuple[str, tuple[str, str]]]] = defaultdict(list)
        for key, (namespace, selector) in scales.items():
            by_namespace[namespace].append((selector, key))
        claims = {namespace: selectors.Claims(said) for namespace, said in by_namespace.items()}
        found: dict[tuple[str, str], list[PodState]] = {key: [] for key in scales}
        for pod in self._grouped():
            if pod.namespace in claims and (owner := claims[pod.namespace].owner(pod.labels)) is not None:
                found[owner].append(pod)
        for pods in found.values():
            pods.sort(key=lambda pod: (pod.created_s, pod.name))
        return found

    def pod(self, uid: str) -> PodState | None:
        """One pod as it is now."""
        found = (cache.objects.get(uid) for (_, plural), cache in self.caches.items() if plural == "pods")
        return next((state(obj) for obj in found if obj is not None), None)

    def agents(self) -> list[AgentPod]:
        """Pods that run an agent, by name."""
        there = (pod for namespace in self._spec.namespaces for pod in self.objects(namespace, resource.PODS))
        cordoned = {
            node["metadata"]["name"] for node in self.objects("", resource.NODES) if node["spec"].get("unschedulable")
        }
        return agentpods.found(there, cordoned, self._spec.agent_tls)

    def learn_pod(self, obj: Json) -> None:
        """What a patch was answered with."""
        self.caches[obj["metadata"]["namespace"], "pods"].learn(obj)

    def _grouped(self) -> Iterator[PodState]:
        groups: dict[tuple[str, str, str], list[PodState]] = defaultdict(list)
        for pod in self._all():
            labels = pod.labels
            if f"{LWS}/name" in labels:
                groups[pod.namespace, labels[f"{LWS}/name"], labels.get(f"{LWS}/group-index", "")].append(pod)
            else:
                yield pod
        for group in groups.values():
            leaders = [pod for pod in group if pod.labels.get(f"{LWS}/worker-index") == "0"]
            for leader in leaders:
                yield together(leader, [pod for pod in group if pod is not leader])

    def _all(self) -> Iterator[PodState]:
        fresh: dict[str, tuple[str, PodState]] = {}
        for namespace in self._spec.namespaces:
            for obj in self.objects(namespace, resource.PODS):
                uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
                known = self._states.get(uid)
                fresh[uid] = known if known is not None and known[0] == version else (version, state(obj))
                yield fresh[uid][1]
        self._states = fresh

    # --- how -----------------------------------------------------------------------------------------------------

    def objects(self, namespace: str, kind: Resource) -> list[Json]:
        """Those of a kind in a namespace ("" for nodes); none where it is not watched."""
        cache = self.caches.get((namespace, kind.plural))
        return list(cache.objects.values()) if cache else []

    def _add(self, namespace: str, kind: Resource) -> None:
        trim = {"pods": keep, "nodes": keep_node}.get(kind.plural, whole)
        optional = kind in SIDE or kind == LEADER_WORKER_SETS
        self.caches[namespace, kind.plural] = Cache(self._api, kind.at(namespace or None), keep=trim, optional=optional)

    def _workloads(self, namespace: str) -> list[Resource]:
        """What is watched there: the kinds of its targets or, where they are to be found, all kinds."""
        used = {target.resource for target in self._spec.targets if target.namespace == namespace}
        if any(target.warm for target in self._spec.targets if target.namespace == namespace):
            used.add(resource.DEPLOYMENTS)
        return [kind for kind in WATCHED if kind in used or namespace in self._spec.discover]

    def _needed(self) -> list[Cache]:
        needed = {"pods", *(kind.plural for kind in WATCHED)}
        return [cache for (_, plural), cache in self.caches.items() if plural in needed]


def _budget(obj: Json) -> Budget:
    """An empty selector covers every pod of the namespace, one that is missing none."""
    selector, status = obj["spec"].get("selector"), obj.get("status") or {}
    covers = (lambda labels: True) if selector == {} else selectors.parse(selectors.of_object(selector or {}))
    return Budget(obj["metadata"]["name"], covers, int(status.get("disruptionsAllowed", 0)))
