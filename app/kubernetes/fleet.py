"""The fleet of a cluster in a process of ours, as the daemon and the router know fleets.

Pools that live in agent pods are moved by their agents, all others as pods; both are one list of replicas.

The router has a read-only one of its own and does not ask the daemon: requests go on being routed while no daemon
lives, and a pod that ends is noticed by watch and not one poll later.

Promises: whatever the cluster refuses or does not answer is an ``httpx.HTTPError``, as of every fleet behind an
address, so it costs one tick, is a gap and never a scale-in; and a picture that is too old is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from app.kubernetes.faults import FaultyNodes, carry_out, closed_by_us
from collectors.observation import GpuSample
from runtime.agent.client import RemoteFleet, Standing
from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.kubernetes.agents import AgentPods, Call, told
from runtime.kubernetes.client import Api, NotLeading
from runtime.kubernetes.errors import KubeError
from runtime.kubernetes.fleet import Key, KubernetesFleet
from runtime.kubernetes.plan import Hold
from runtime.kubernetes.resource import NODES
from runtime.kubernetes.spec import WATCHED, FleetSpec, TargetSpec
from runtime.replica import Replica

Make = Callable[[], KubernetesFleet]


class OutOfReach(httpx.TransportError):
    """The cluster cannot be seen, or not moved as was asked; one line that says why."""


class ClusterFleet:
    """A ``KubernetesFleet`` that starts when it is first asked, and again where that did not succeed."""

    url = ""
    """Nothing is shown under an address of its own: GPUs are seen through Prometheus, queues at the router."""

    def __init__(
        self,
        api: Api,
        spec: FleetSpec,
        clock: Clock,
        make: Make | None = None,
        *,
        exporters: bool = False,
        call: Call | None = None,
        faults: FaultyNodes | None = None,
    ) -> None:
        self.api = api
        self.spec = spec
        self.exporters = exporters
        self._clock = clock
        self._make = make or (lambda: KubernetesFleet(api, spec, clock))
        self._call = call or (lambda pod: RemoteFleet(pod.url))
        self._faults = faults
        self._fleet: KubernetesFleet | None = None
        self._agents: AgentPods | None = None
        self._starting = asyncio.Lock()

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas of all pools; raises ``OutOfReach`` where that cannot be told, or not freshly."""
        fleet = await self._started()
        await self._fresh(fleet)
        with _told():
            found = await fleet.replicas()
        self._whole(fleet)
        if self._agents is None:
            return found
        own = [one for one in found if (one.service, one.pool) not in self.spec.agent_pools]
        with _told(ValueError):
            return (*own, *await self._agents.replicas())

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """As every fleet; raises ``OutOfReach`` for a pool that no workload is, or a target that its workload cannot
        be brought to.
        """
        fleet = await self._started()
        shared = [target for target in targets if (target.service, target.pool) in self.spec.agent_pools]
        own = [target for target in targets if target not in shared]
        moves = [self._apply(fleet, own, decision_id)] if own else []
        moves += [self._order(shared, decision_id)] if shared else []
        for ended in await asyncio.gather(*moves, return_exceptions=True):
            if ended is not None:
                raise ended

    async def _apply(self, fleet: KubernetesFleet, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """To pods."""
        known = fleet.picture.targets()
        for target in targets:
            if (target.service, target.pool) not in known:
                where = ", ".join(self.spec.namespaces)
                raise OutOfReach(
                    f"no workload in {where} is pool {target.pool} of {target.service}; label one leadtime.dev/service "
                    "and leadtime.dev/pool, or name it under fleet.kubernetes.targets"
                )
        with _told(ValueError):
            await fleet.apply(targets, decision_id)
        for target in targets:
            for hold in fleet.holds().get((target.service, target.pool), ()):
                if hold.reason == "NotLeading":  # then it is not to be marked as applied
                    raise OutOfReach(hold.message)

    async def _order(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """To agents."""
        assert self._agents is not None, "made at the start, where there are pools for them"
        with _told(ValueError, NotLeading):
            await self._agents.apply(targets, decision_id)

    async def racks(self) -> tuple[RackView, ...]:
        """None: models that share GPUs live in agent pods."""
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Raises ``OutOfReach``: there are no racks."""
        for target in targets:
            raise OutOfReach(f"rack {target.rack}: a Kubernetes fleet has no racks")

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Starts and wakes measured since this process began."""
        found = await (await self._started()).lead_times()
        if self._agents is None:
            return found
        with _told():
            return tuple(sorted((*found, *await self._agents.lead_times()), key=lambda sample: sample.at_s))

    async def nodes(self) -> tuple[str, ...]:
        """Nodes whose dcgm-exporter is looked for in Prometheus; none without one, for nobody asks exporters here."""
        if not self.exporters:
            return ()
        with _told():
            return await (await self._started()).nodes()

    async def past(self) -> dict[str, list[list[float]]]:
        """None: what was before is in the store or nowhere."""
        return {}

    def standings(self) -> Mapping[str, Standing]:
        """Agents by pod, as the last look found them."""
        return {} if self._agents is None else self._agents.standings()

    async def close(self) -> None:
        """Stop; everything stays as it is."""
        if self._agents is not None:
            await self._agents.close()
        if self._fleet is not None:
            await self._fleet.close()
        await self.api.close()

    async def judge(self, gpus: Sequence[GpuSample], now_s: float) -> None:
        """Close nodes whose GPUs have failed and open those that are well again; nothing unless that is allowed."""
        if self._faults is not None and self._fleet is not None:
            nodes = self._fleet.picture.objects("", NODES)
            await carry_out(self.api, self._faults.judge(gpus, closed_by_us(nodes), now_s), nodes)

    def holds(self) -> Mapping[Key, tuple[Hold, ...]]:
        """Why a pool is not moved, or not wholly; another that scales the same workload comes first."""
        if self._fleet is None:
            return {}
        rivals = {key: (hold,) for key, hold in self._fleet.refusals().items()}
        return self._fleet.holds() | rivals

    def targets(self) -> Mapping[Key, TargetSpec] | None:
        """The workload of each service and pool; None before the cluster was seen."""
        if self._fleet is None:
            return None
        known = self._fleet.picture.targets()
        there = self._fleet.picture.workload  # what is not watched is taken to be there
        own = {key: one for key, one in known.items() if one.resource not in WATCHED or there(one) is not None}
        if self._agents is None:
            return own
        return {key: one for key, one in own.items() if key not in self.spec.agent_pools} | self._agents.targets()

    def workload(self, target: TargetSpec) -> Mapping[str, Any] | None:
        """The object that a target is, where it is watched and was seen."""
        return None if self._fleet is None else self._fleet.picture.workload(target)

    async def _started(self) -> KubernetesFleet:
        async with self._starting:
            if self._fleet is None:
                fleet = self._make()
                try:
                    with _told():
                        await fleet.start()
                except BaseException:
                    await fleet.close()
                    raise
                self._fleet = fleet
                if self.spec.agent_pools:
                    self._agents = AgentPods(self.api, fleet.picture, self.spec, self._clock, self._call)
            return self._fleet

    async def _fresh(self, fleet: KubernetesFleet) -> None:
        synced_s, now_s = fleet.picture.synced_s, await self._clock.now()
        if synced_s is None or now_s - synced_s > self.spec.stale_s:
            why = "; ".join(fleet.picture.problems().values()) or "no news"
            age = "unknown" if synced_s is None else f"{now_s - synced_s:.0f} s"
            raise OutOfReach(f"what is known of the cluster is too old ({age}): {why}")

    def _whole(self, fleet: KubernetesFleet) -> None:
        """A count that had to be asked for and was not told would look like a pool without replicas."""
        known = fleet.picture.targets()
        for key, holds in fleet.holds().items():
            for hold in holds:
                if hold.reason == "NoTarget" and key in known and known[key].resource not in WATCHED:
                    raise OutOfReach(hold.message)


@contextmanager
def _told(*more: type[Exception]) -> Iterator[None]:
    """In the words of this fleet."""
    expected: tuple[type[Exception], ...] = (KubeError, *more)
    try:
        yield
    except expected as error:
        raise OutOfReach(str(error)) from error
    except httpx.HTTPError as error:
        raise OutOfReach(told(error)) from error
