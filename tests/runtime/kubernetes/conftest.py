"""A fleet over a small cluster, moved a step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio

from runtime.fleet import PoolTarget
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.plan import Rules
from runtime.kubernetes.spec import FleetSpec, TargetSpec
from runtime.local.engine import EngineError
from runtime.local.spec import Sleep
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.cluster import Cluster


@dataclass(slots=True)
class FakeEngines:
    """Requests by pod address (missing: none); ``broken`` ones do not wake."""

    busy: dict[str, int | None] = field(default_factory=dict)
    asleep: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def requests(self, url: str, model: str, within_s: float) -> int | None:
        self.asked.append(url)
        return self.busy.get(url, 0)

    async def sleep(self, url: str, model: str, how: Sleep, within_s: float) -> tuple[int, ...]:
        assert not self.busy.get(url)
        self.asleep.add(url)
        return (1, 2) if how is Sleep.LEVEL2 else ()

    async def wake(self, url: str, model: str, how: Sleep, golden: tuple[int, ...], within_s: float) -> None:
        if url in self.broken:
            raise EngineError("out of memory")
        assert golden == ((1, 2) if how is Sleep.LEVEL2 else ())
        self.asleep.discard(url)

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class World:
    """The cluster, and fleets that watch it."""

    cluster: Cluster = field(default_factory=Cluster)
    engines: FakeEngines = field(default_factory=FakeEngines)
    fleets: list[KubernetesFleet] = field(default_factory=list)
    leads: Callable[[], bool] = lambda: True

    async def fleet(self, *targets: TargetSpec, **changes: Any) -> KubernetesFleet:
        """Started, without a keeper of its own time: ``run`` tends it."""
        told = {
            "targets": targets or (TargetSpec("chat", "h100", "llm", "chat"),),
            "rules": Rules(settle_s=10),
            **changes,
        }
        spec = FleetSpec(**told, look_s=1e9, stale_s=2e9)
        api = Api(
            Connection("http://cluster"),
            Short(self.cluster.clock),
            transport=self.cluster.server,
            may_write=lambda: self.leads(),
        )
        fleet = KubernetesFleet(api, spec, Still(self.cluster), self.engines)
        await fleet.start()
        self.fleets.append(fleet)
        await self.settle()
        return fleet

    async def settle(self) -> None:
        """Let the news arrive."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def run(self, seconds: float, each: float = 5.0) -> None:
        """Time passes: the cluster acts, the news arrives, the fleets look."""
        for _ in range(round(seconds / each)):
            self.cluster.step(each)
            await self.settle()
            for fleet in self.fleets:
                await fleet.tend()
            await self.settle()

    async def at(self, active: int, fleet: KubernetesFleet | None = None, **spares: Any) -> None:
        """Apply a target to the chat pool."""
        await (fleet or self.fleets[0]).apply([PoolTarget("chat", "h100", active, **spares)], "d1")
        await self.settle()

    def url(self, pod: str) -> str:
        return f"http://{self.cluster.server.get('pods', pod)['status']['podIP']}:8000"


class Short:
    """The cluster's time, which jumps over short waits; a long one lasts until the end of the test."""

    def __init__(self, clock: Jumping) -> None:
        self._clock = clock

    async def now(self) -> float:
        return self._clock.now_s

    async def sleep_until(self, at_s: float) -> float:
        if at_s > self._clock.now_s + 10:
            await asyncio.Event().wait()
        return await self._clock.sleep_until(at_s)


class Still:
    """The cluster's time; whoever waits, waits until the end of the test."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def now(self) -> float:
        return self._cluster.clock.now_s

    async def sleep_until(self, at_s: float) -> float:
        await asyncio.Event().wait()
        return at_s


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for fleet in made.fleets:
        await fleet.close()
