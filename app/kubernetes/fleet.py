"""The fleet of a cluster in a process of ours, as the daemon and the router know fleets.

The router has a read-only one of its own and does not ask the daemon: requests go on being routed while no daemon
lives, and a pod that ends is noticed by watch and not one poll later.

Promises: whatever the cluster refuses or does not answer is an ``httpx.HTTPError``, as of every fleet behind an
address, so it costs one tick, is a gap and never a scale-in; and a picture that is too old is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.kubernetes.client import Api
from runtime.kubernetes.errors import KubeError
from runtime.kubernetes.fleet import Key, KubernetesFleet
from runtime.kubernetes.plan import Hold
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
        self, api: Api, spec: FleetSpec, clock: Clock, make: Make | None = None, *, exporters: bool = False
    ) -> None:
        self.api = api
        self.spec = spec
        self.exporters = exporters
        self._clock = clock
        self._make = make or (lambda: KubernetesFleet(api, spec, clock))
        self._fleet: KubernetesFleet | None = None
        self._starting = asyncio.Lock()

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas of all pools; raises ``OutOfReach`` where that cannot be told, or not freshly."""
        fleet = await self._started()
        await self._fresh(fleet)
        with _told():
            found = await fleet.replicas()
        self._whole(fleet)
        return found

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """As every fleet; raises ``OutOfReach`` for a pool that no workload is, or a target that its workload cannot
        be brought to.
        """
        fleet = await self._started()
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

    async def racks(self) -> tuple[RackView, ...]:
        """None: models that share GPUs live in agent pods."""
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Raises ``OutOfReach``: there are no racks."""
        for target in targets:
            raise OutOfReach(f"rack {target.rack}: a Kubernetes fleet has no racks")

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Starts and wakes measured since this process began."""
        return await (await self._started()).lead_times()

    async def nodes(self) -> tuple[str, ...]:
        """Nodes whose dcgm-exporter is looked for in Prometheus; none without one, for nobody asks exporters here."""
        if not self.exporters:
            return ()
        with _told():
            return await (await self._started()).nodes()

    async def past(self) -> dict[str, list[list[float]]]:
        """None: what was before is in the store or nowhere."""
        return {}

    async def close(self) -> None:
        """Stop; everything stays as it is."""
        if self._fleet is not None:
            await self._fleet.close()
        await self.api.close()

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
        return {key: one for key, one in known.items() if one.resource not in WATCHED or there(one) is not None}

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
