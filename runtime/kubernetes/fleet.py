"""The fleet of a cluster: pods moved to where the targets want them, by small idempotent writes.

Promises: a replica leaves rotation and is seen empty before it goes; a count is written only when it changes, only on
top of the count that was decided upon, and never while the picture is stale or another scales the same workload; all
that a move needs is in the cluster, so a new leader carries on, and without a target it changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import structlog

from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget, Rackless
from runtime.kubernetes import nodes, pods, reports, resource, targets
from runtime.kubernetes.client import Api, NotLeading
from runtime.kubernetes.engines import Engines, HttpEngines
from runtime.kubernetes.errors import BudgetBlocked, KubeError, NotFound, shorten
from runtime.kubernetes.marks import Change, Rotation, patch, slept, woken
from runtime.kubernetes.nodes import GpuNode
from runtime.kubernetes.picture import Picture
from runtime.kubernetes.plan import Hold, Plan, Workload, plan
from runtime.kubernetes.pods import PodState, Situation
from runtime.kubernetes.resource import DEPLOYMENTS, EVENTS, PODS
from runtime.kubernetes.spec import BY_NUMBER, FleetSpec, TargetSpec
from runtime.kubernetes.starts import Starts
from runtime.kubernetes.targets import Changed, Scale
from runtime.local.engine import EngineError
from runtime.local.events import Event, Events
from runtime.local.spec import Sleep
from runtime.replica import Replica, Tier, Transition

Key = tuple[str, str]
SAMPLES = 1000

WAITED_FOR = (Situation.UNSCHEDULABLE, Situation.NO_IMAGE, Situation.CRASHING, Situation.BROKEN, Situation.NODE_LOST)

log = structlog.get_logger(__name__)


class KubernetesFleet(Rackless):
    """``runtime.fleet.Fleet`` over pods; ``start`` before anything else, ``close`` at the end."""

    def __init__(self, api: Api, spec: FleetSpec, clock: Clock, engines: Engines | None = None) -> None:
        self.spec = spec
        self.picture = Picture(api, spec)
        self._api = api
        self._clock = clock
        self._engines = engines or HttpEngines()
        self._wanted: dict[Key, PoolTarget] = {}
        self._decisions: dict[Key, str] = {}
        self._avoided: dict[Key, dict[str, str]] = {}
        self._holds: dict[Key, tuple[Hold, ...]] = {}
        self._events = Events()
        self._samples: deque[LeadTimeSample] = deque(maxlen=SAMPLES)
        self._starts = Starts()
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch, and look after the targets from then on. Raises KubeError where the cluster cannot be read."""
        await self.picture.start()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop; everything stays as it is."""
        tasks = [*self._jobs.values(), *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.picture.close()
        await self._engines.close()

    # --- the protocol --------------------------------------------------------------------------------------------

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas and held nodes, by pool and age."""
        self._alive()
        found = []
        for key, here in (await self._look()).items():
            found += [pods.replica(pod, *key) for pod in here]
        for target in self._known().values():
            found += [_held(pod, target) for pod in await self._placeholders(target)]
        return tuple(found)

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """As the protocol. Raises KeyError for an unknown pool, ValueError for a target that cannot be, and then
        changes nothing. What cannot be done now is told by ``holds`` and tried again.
        """
        self._alive()
        known = self._known()
        for target in targets:
            _check(target, known[target.service, target.pool])
        for target in targets:
            self._wanted[target.service, target.pool] = target
            self._decisions[target.service, target.pool] = decision_id
        await self.tend()

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Starts and wakes measured so far, newest last."""
        return tuple(self._samples)

    # --- beyond it -----------------------------------------------------------------------------------------------

    async def nodes(self) -> tuple[str, ...]:
        """Nodes with GPUs; those that replicas are on, where nodes may not be read."""
        if found := self.inventory():
            return tuple(node.name for node in found)
        return tuple(sorted({pod.node for here in (await self._look()).values() for pod in here if pod.node}))

    def inventory(self) -> tuple[GpuNode, ...]:
        """GPUs by node; empty where nodes may not be read."""
        there = [pod for namespace in self.spec.namespaces for pod in self.picture.objects(namespace, PODS)]
        return nodes.inventory(self.picture.objects("", resource.NODES), there)

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first, the last thousand."""
        return self._events.all()

    def counts(self) -> dict[tuple[str, str], int]:
        """How often something happened since the start, by pool and word."""
        return dict(self._events.counts)

    def holds(self) -> dict[Key, tuple[Hold, ...]]:
        """Why a pool is not moved, or not wholly, by service and pool."""
        return {key: holds for key, holds in self._holds.items() if holds}

    def refusals(self) -> dict[Key, Hold]:
        """Pools that another controller scales too, and which."""
        rivals = {key: self.picture.rival(target) for key, target in self._known().items()}
        return {key: hold for key, hold in rivals.items() if hold is not None}

    # --- looking after the targets -------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep_until(await self._clock.now() + self.spec.look_s)
            await self.tend()

    async def tend(self) -> None:
        """One look: whatever is not yet as it is wanted moves one step."""
        async with self._lock:
            self.picture.check()
            self._reap()
            now_s = await self._clock.now()
            synced_s = self.picture.synced_s
            if synced_s is None or now_s - synced_s > self.spec.stale_s:
                why = "; ".join(self.picture.problems().values()) or "no answer"
                self._holds = {key: (Hold("StalePicture", why),) for key in self._wanted}
                return
            known, here = self._known(), await self._look()
            for key, found in here.items():
                self._starts.holding(key, await self._placeholders(known[key]))
                self._samples += self._starts.seen(key, found)
            tended = [
                self._tended(known[key], want, here[key], now_s) for key, want in self._wanted.items() if key in here
            ]
            await asyncio.gather(*tended)

    async def _tended(self, target: TargetSpec, want: PoolTarget, here: list[PodState], now_s: float) -> None:
        """One target's step; what the cluster refuses is a reason to hold, and no trouble for other targets."""
        try:
            if (refused := self.picture.rival(target)) is not None:
                self._holds[target.key] = (refused,)
                return
            self._holds[target.key] = await self._step(target, want, here, now_s)
        except NotLeading as error:
            self._holds[target.key] = (Hold("NotLeading", str(error)),)
        except (KubeError, Changed) as error:
            log.warning("not done", service=target.service, pool=target.pool, why=str(error))
            self._holds[target.key] = (Hold(type(error).__name__, str(error)),)

    async def _step(self, target: TargetSpec, want: PoolTarget, here: list[PodState], now_s: float) -> tuple[Hold, ...]:
        scale, want = await self.picture.scale(target), self._once(target.key, want, here)
        made = await self._plan(target, scale, want, here, now_s)
        known = {pod.name: pod for pod in here}
        await asyncio.gather(*(self._mark(target, known[change.pod], change, now_s) for change in made.changes))
        await self._count(target, scale, made.replicas)
        evictions = await asyncio.gather(*(self._evict(target, name) for name in made.evict))
        for name in (*made.sleep, *made.wake):
            self._switch(target, known[name], asleep=name in made.sleep)
        if target.warm is not None:
            await self._hold_nodes(target, want.warm_node)
        return (*made.holds, *(hold for hold in evictions if hold is not None), *self._trouble(target, here, now_s))

    def _once(self, key: Key, want: PoolTarget, here: Sequence[PodState]) -> PoolTarget:
        """A numbered pod comes back under the name that was to be avoided: it is another, and is not."""
        uids, before = {pod.name: pod.uid for pod in here}, self._avoided.get(key, {})
        meant = {name: before.get(name) or uids[name] for name in want.avoid if name in before or name in uids}
        self._avoided[key] = meant
        return replace(want, avoid=tuple(name for name, uid in meant.items() if uids.get(name) == uid))

    async def _plan(
        self, target: TargetSpec, scale: Scale, want: PoolTarget, here: list[PodState], now_s: float
    ) -> Plan:
        """A plan; where serving pods are to leave, their loads are asked for first."""
        count = Workload(scale.replicas, target.resource in BY_NUMBER)
        budgets = self.picture.budgets(target.namespace)
        free = [pod for pod in here if pod.uid not in self._jobs]
        loads = await self._loads(target, [pod for pod in free if pod.rotation is Rotation.DRAINING])
        made = plan(count, here, want, now_s, self.spec.rules, loads, budgets)
        if made.drains:
            serving = [pod for pod in free if pod.ready and pod.rotation is Rotation.IN]
            loads |= await self._loads(target, serving)
            made = plan(count, here, want, now_s, self.spec.rules, loads, budgets)
        return made

    async def _loads(self, target: TargetSpec, asked: Sequence[PodState]) -> dict[str, int | None]:
        model, within_s = target.served_name or target.service, self.spec.metrics_s
        answers = await asyncio.gather(*(self._engines.requests(pod.base_url, model, within_s) for pod in asked))
        return {pod.name: answer for pod, answer in zip(asked, answers, strict=True)}

    # --- writing -------------------------------------------------------------------------------------------------

    async def _mark(self, target: TargetSpec, pod: PodState, change: Change, now_s: float) -> None:
        if (
            change.rotation is Rotation.IN and pod.uid in self._jobs
        ):  # it falls asleep this moment, and is to wake first
            change = replace(change, rotation=None)
        if change.empty:
            return
        try:
            said = await self._api.merge(PODS.at(pod.namespace, pod.name), patch(change, pod.uid, now_s))
        except NotFound:
            return
        self.picture.learn_pod(said)
        if change.goal is not None:
            self._say(now_s, target, pod.name, f"to {change.goal}", self._why(target))
        if pod.goal is Tier.STANDBY and change.goal is Tier.ACTIVE and change.rotation is Rotation.IN and pod.ready:
            took_s = await self._clock.now() - now_s
            self._samples.append(LeadTimeSample(target.pool, Tier.STANDBY, took_s, now_s))

    async def _count(self, target: TargetSpec, scale: Scale, wanted: int) -> None:
        if wanted == scale.replicas:
            return
        after, written = await targets.write(self._api, target.scale, scale.replicas, wanted)
        self.picture.learn_scale(target, after)
        if written:
            now_s = await self._clock.now()
            note = f"{scale.replicas} -> {wanted} replicas, {self._why(target)}"
            reason = "ScaledOut" if wanted > scale.replicas else "ScaledIn"
            self._say(now_s, target, target.name, reason, note)
            await self._report(target, scale.uid, reason, note, now_s)

    async def _report(self, target: TargetSpec, uid: str, reason: str, note: str, now_s: float) -> None:
        """An Event nobody may write is no reason not to scale."""
        body = reports.event(target, uid, reason, note, now_s, self.spec.instance)
        try:
            await self._api.create(EVENTS.at(target.namespace), body)
        except KubeError as error:
            log.warning("no event written", target=target.name, why=str(error))

    async def _evict(self, target: TargetSpec, name: str) -> Hold | None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": target.namespace},
        }
        try:
            await self._api.create(PODS.at(target.namespace, name, "eviction"), body)
        except NotFound:
            return None
        except BudgetBlocked as error:
            return Hold("DisruptionBudget", f"{name} is not evicted: {error}")
        self._say(await self._clock.now(), target, name, "evicted", self._why(target))
        return None

    async def _hold_nodes(self, target: TargetSpec, wanted: int) -> None:
        warm = _placeholder(target)
        scale = await self.picture.scale(warm)
        if scale.replicas != wanted:
            after, _ = await targets.write(self._api, warm.scale, scale.replicas, wanted)
            self.picture.learn_scale(warm, after)

    # --- sleeping and waking -------------------------------------------------------------------------------------

    def _switch(self, target: TargetSpec, pod: PodState, *, asleep: bool) -> None:
        """In the background, for it takes seconds; once at a time for each pod."""
        if pod.uid not in self._jobs:
            work = self._sleep(target, pod) if asleep else self._wake(target, pod)
            self._jobs[pod.uid] = asyncio.create_task(work)

    def _reap(self) -> None:
        for uid, job in list(self._jobs.items()):
            if job.done():
                del self._jobs[uid]
                job.result()

    async def _sleep(self, target: TargetSpec, pod: PodState) -> None:
        model = target.served_name or target.service
        try:
            golden = await self._engines.sleep(pod.base_url, model, target.sleep, self.spec.wake_s)
            said = await self._api.merge(PODS.at(pod.namespace, pod.name), slept(pod.uid, pod.restarts, golden))
            self.picture.learn_pod(said)
        except (EngineError, KubeError, NotLeading) as error:
            self._say(await self._clock.now(), target, pod.name, "sleep failed", str(error))

    async def _wake(self, target: TargetSpec, pod: PodState) -> None:
        """One that does not wake is evicted: a cold start instead."""
        began_s, model = await self._clock.now(), target.served_name or target.service
        try:
            await self._engines.wake(pod.base_url, model, target.sleep, pod.golden, self.spec.wake_s)
            now = self.picture.pod(pod.uid)
            now_s = await self._clock.now()
            body = woken(pod.uid, now is not None and now.goal is Tier.ACTIVE, now_s)
            self.picture.learn_pod(await self._api.merge(PODS.at(pod.namespace, pod.name), body))
            self._samples.append(LeadTimeSample(target.pool, Tier.ASLEEP, now_s - began_s, now_s))
        except EngineError as error:
            self._say(await self._clock.now(), target, pod.name, "wake failed", str(error))
            await self._evict_quietly(target, pod.name)
        except (KubeError, NotLeading) as error:
            self._say(await self._clock.now(), target, pod.name, "wake failed", str(error))

    async def _evict_quietly(self, target: TargetSpec, name: str) -> None:
        try:
            await self._evict(target, name)
        except (KubeError, NotLeading) as error:
            log.warning("not evicted", pod=name, why=str(error))

    # --- what is there -------------------------------------------------------------------------------------------

    async def _look(self) -> dict[Key, list[PodState]]:
        """Pods by pool, of every target that is there."""
        scales = {}
        for key, target in self._known().items():
            try:
                scales[key] = (target.namespace, (await self.picture.scale(target)).selector)
            except KubeError as error:
                self._holds[key] = (Hold("NoTarget", str(error)),)
        return self.picture.pods(scales)

    async def _placeholders(self, target: TargetSpec) -> list[PodState]:
        if target.warm is None:
            return []
        try:
            selector = (await self.picture.scale(_placeholder(target))).selector
        except KubeError:
            return []
        return self.picture.pods({target.key: (target.namespace, selector)})[target.key]

    def _known(self) -> dict[Key, TargetSpec]:
        return self.picture.targets()

    def _alive(self) -> None:
        if self._keeper is None:
            raise RuntimeError("the fleet was not started")
        if self._keeper.done():
            self._keeper.result()

    def _trouble(self, target: TargetSpec, here: Sequence[PodState], now_s: float) -> list[Hold]:
        """What keeps the target from being reached that is no doing of ours; it is told and waited for."""
        told = [failure] if (failure := self.picture.failure(target)) is not None else []
        for pod in here:
            if pod.situation in WAITED_FOR:
                told.append(Hold(str(pod.situation), shorten(f"{pod.name}: {pod.why}")))
            draining = pod.rotation is Rotation.DRAINING and pod.counted and pod.moved_s is not None
            if draining and now_s - (pod.moved_s or now_s) > self.spec.drain_s:
                told.append(Hold("StillDraining", f"{pod.name} has requests after {self.spec.drain_s:g} s; waiting"))
        return told

    def _why(self, target: TargetSpec) -> str:
        return f"decision {self._decisions.get(target.key, '')}"

    def _say(self, now_s: float, target: TargetSpec, name: str, what: str, why: str) -> None:
        self._events.add(now_s, target.pool, name, what, why)


def _check(target: PoolTarget, spec: TargetSpec) -> None:
    if target.asleep and spec.sleep is Sleep.NONE:
        raise ValueError(f"pool {target.pool}: asleep {target.asleep}, but its engine cannot sleep; give 0")
    if target.warm_node and spec.warm is None:
        raise ValueError(f"pool {target.pool}: warm_node {target.warm_node}, but it has no placeholders; give 0")


def _placeholder(target: TargetSpec) -> TargetSpec:
    return TargetSpec(target.service, target.pool, target.namespace, str(target.warm), DEPLOYMENTS)


def _held(pod: PodState, target: TargetSpec) -> Replica:
    """A node that a placeholder keeps."""
    held = None if pod.ready else Transition.LAUNCHING
    failed = Transition.FAILED if pod.situation is Situation.NODE_LOST else held
    return Replica(pod.name, target.service, target.pool, Tier.WARM_NODE, failed, pod.created_s, "", pod.node, ())
