"""Pools whose models share GPUs: agents in pods of the cluster, as one fleet.

Which agents there are is read off the watched pods at every look; what they hold is asked of them, over the protocol
that agents speak everywhere. A pod that is gone has taken its replicas with it; one that is silent is believed for
``lost_s`` and then lost; one whose certificate is not trusted, or that refuses the token, keeps what it has; one that
leaves is emptied first. Nothing is ordered while somebody else leads, and an order that is another than the last is an
Event on the pool's workload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import httpx
import structlog

from runtime.agent.client import Standing, Untrusted
from runtime.agent.many import LOST_S, Agent, ManyAgents
from runtime.agent.messages import COUNTS
from runtime.agent.split import Stay
from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.kubernetes import reports
from runtime.kubernetes.agentpods import AgentPod
from runtime.kubernetes.client import Api, NotLeading
from runtime.kubernetes.errors import KubeError
from runtime.kubernetes.names import AGENT_LABEL
from runtime.kubernetes.picture import Picture
from runtime.kubernetes.resource import EVENTS, STATEFUL_SETS
from runtime.kubernetes.spec import FleetSpec, TargetSpec
from runtime.replica import Replica

log = structlog.get_logger(__name__)

Call = Callable[[AgentPod], Agent]
"""The agent in a pod, with the token that it asks for."""

Key = tuple[str, str]


class AgentPods:
    """The agents that a picture shows, which ``api`` has the lead and the Events of; ``call`` reaches one."""

    def __init__(
        self,
        api: Api,
        picture: Picture,
        spec: FleetSpec,
        clock: Clock,
        call: Call,
        lost_s: float = LOST_S,
    ) -> None:
        self._api = api
        self._picture = picture
        self._spec = spec
        self._clock = clock
        self._call = call
        self._pods: dict[str, AgentPod] = {}
        self._lines: dict[str, Agent] = {}
        self._many = ManyAgents({}, clock, lost_s)
        self._ordered: dict[Key, PoolTarget] = {}

    async def replicas(self) -> tuple[Replica, ...]:
        """Replicas of the pools that live in agents, by pod; each is on its pod's node.

        Raises httpx.HTTPError where an agent has just come and cannot be asked; ValueError where two give their
        replicas the same name.
        """
        await self._meet()
        nodes = {pod.name: pod.node for pod in self._pods.values()}
        found = [one for one in await self._many.replicas() if (one.service, one.pool) in self._spec.agent_pools]
        names = [one.name for one in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two agents have a replica {twice[0]}; start each with a --node of its own")
        return tuple(replace(one, node=nodes.get(one.node, one.node)) for one in found)

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Have the agents move; the same targets twice change nothing. Raises NotLeading, ValueError where no agent is
        there, httpx.HTTPError for what one refuses.
        """
        if not self._api.may_write():
            raise NotLeading(f"pool {targets[0].pool}: not the leader")
        await self._meet()
        if not self._pods:
            where = ", ".join(self._spec.namespaces)
            raise ValueError(f"pool {targets[0].pool}: no pod in {where} bears {AGENT_LABEL}; see leadtime manifest")
        await self._many.apply(targets, decision_id)
        now_s = await self._clock.now()
        # An Event is named after its workload and moment, and several pools are of one workload.
        moments = (self._report(one, decision_id, now_s + i / 1000) for i, one in enumerate(targets))
        await asyncio.gather(*moments)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Transitions that agents have measured, newest last."""
        return await self._many.lead_times()

    def targets(self) -> dict[Key, TargetSpec]:
        """The StatefulSet that a pool lives in, as far as agents have said so; of several the first."""
        known: dict[Key, TargetSpec] = {}
        rooms = self._many.rooms()
        for place, pod in self._pods.items():
            kind, name = pod.owner
            for service, pool in self._spec.agent_pools:
                if kind == STATEFUL_SETS.kind and pool in rooms.get(place, {}):
                    made = TargetSpec(service, pool, pod.namespace, name, STATEFUL_SETS)
                    known.setdefault((service, pool), made)
        return known

    def standings(self) -> dict[str, Standing]:
        """Agents by namespace and pod, as the last look found them."""
        return self._many.standings()

    async def close(self) -> None:
        """Release connections; everything stays as it is."""
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    async def _report(self, target: PoolTarget, decision_id: str, at_s: float) -> None:
        """An Event nobody may write is no reason not to move. What was ordered before a restart is not known."""
        key = (target.service, target.pool)
        before, workload = self._ordered.get(key), self.targets().get(key)
        self._ordered[key] = target
        found = self._picture.workload(workload) if workload is not None else None
        if before is None or workload is None or found is None or not (changes := _changes(before, target)):
            return
        note = f"pool {target.pool}: {changes}, decision {decision_id}"
        reason = "ScaledOut" if _size(target) > _size(before) else "ScaledIn"
        body = reports.event(workload, found["metadata"]["uid"], reason, note, at_s, self._spec.instance)
        try:
            await self._api.create(EVENTS.at(workload.namespace), body)
        except (KubeError, NotLeading) as error:
            log.warning("no event written", target=workload.name, why=str(error))

    async def _meet(self) -> None:
        """Take the pods as they are now. One that has not been ready yet is still starting and is not asked."""
        now_s, before = await self._clock.now(), self._pods  # from here to the end nobody comes in between
        seen = {f"{pod.namespace}/{pod.name}": pod for pod in self._picture.agents() if pod.url}
        self._pods = {place: pod for place, pod in seen.items() if pod.ready or _same(before.get(place), pod)}
        lines = {
            place: self._lines[place] if _same(before.get(place), pod) else self._call(pod)
            for place, pod in self._pods.items()
        }
        gone = [line for place, line in self._lines.items() if lines.get(place) is not line]
        self._lines = lines
        leaving = {place: pod.stay for place, pod in self._pods.items() if pod.stay is not Stay.STAYS}
        self._many.meet(lines, leaving, now_s)
        await asyncio.gather(*(line.close() for line in gone))


def _changes(before: PoolTarget, after: PoolTarget) -> str:
    """Which tiers got another count; empty where none did."""
    pairs = [(tier, getattr(before, tier), getattr(after, tier)) for tier in COUNTS]
    return ", ".join(f"{tier} {old} -> {new}" for tier, old, new in pairs if old != new)


def _size(target: PoolTarget) -> tuple[int, int]:
    """What serves first, then all that is held."""
    return target.active, sum(getattr(target, tier) for tier in COUNTS)


def _same(before: AgentPod | None, now: AgentPod) -> bool:
    return before is not None and (before.uid, before.url) == (now.uid, now.url)


def told(error: httpx.HTTPError) -> str:
    """Which agent, and what: a transport's own words name nobody, a refusal's and a stranger's do."""
    try:
        where = "" if isinstance(error, (httpx.HTTPStatusError, Untrusted)) else f"{error.request.url}: "
    except RuntimeError:  # of no request
        where = ""
    return f"agent {where}{error or type(error).__name__}"
