"""Two daemons for an hour, the leader killed at random: one writes at a time, and nothing goes in by a hand-over."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field

import httpx
import pytest

from runtime.fleet import PoolTarget
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.election import Terms
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.lease import Lease
from runtime.kubernetes.plan import Rules
from runtime.kubernetes.spec import FleetSpec, TargetSpec
from tests.runtime.kubernetes.cluster import Cluster
from tests.runtime.kubernetes.conftest import FakeEngines, Short, Still

TERMS = Terms()
TARGET = TargetSpec("chat", "h100", "llm", "chat")


class Named(httpx.AsyncBaseTransport):
    """The server as one daemon reaches it, noting when it wrote; ``away`` while it cannot be reached."""

    def __init__(self, cluster: Cluster, name: str, written: list[tuple[float, str]]) -> None:
        self.cluster, self.name, self.written, self.away = cluster, name, written, False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        if request.method != "GET" and "/leases" not in request.url.path:
            self.written.append((self.cluster.clock.now_s, self.name))
        return await self.cluster.server.handle_async_request(request)


@dataclass(slots=True)
class Daemon:
    """Contends for the Lease and, while it leads, applies the target that its policy says."""

    cluster: Cluster
    name: str
    written: list[tuple[float, str]]
    offset_s: float
    line: Named = field(init=False)
    lease: Lease = field(init=False)
    fleet: KubernetesFleet = field(init=False)
    ticks: list[float] = field(default_factory=list)

    async def start(self) -> None:
        self.line = Named(self.cluster, self.name, self.written)
        clock = Short(self.cluster.clock)

        def monotonic() -> float:
            return self.cluster.clock.now_s + self.offset_s

        async def sleep(wait_s: float) -> None:
            await asyncio.Event().wait()

        def may_write() -> bool:
            return self.lease.leads()

        api = Api(Connection("http://cluster"), clock, transport=self.line, may_write=may_write)
        self.lease = Lease(api, "llm", "leadtime", self.name, sleep, TERMS, monotonic)
        spec = FleetSpec((TARGET,), rules=Rules(settle_s=10), look_s=1e9, stale_s=2e9)
        self.fleet = KubernetesFleet(api, spec, Still(self.cluster), FakeEngines())
        await self.fleet.start()

    async def look(self, active: int) -> bool:
        """One round; whether it leads."""
        await self.lease._try()
        self.lease.state.check(self.cluster.clock.now_s + self.offset_s)
        if self.lease.leads():
            self.ticks.append(self.cluster.clock.now_s)
            await self.fleet.apply([PoolTarget("chat", "h100", active)], f"by {self.name}")
        return self.lease.leads()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(2))
async def test_an_hour_of_two_daemons(seed: int) -> None:
    rng, cluster = random.Random(seed), Cluster()
    cluster.workload("chat", 2)
    for seconds in (5, 70, 5):
        cluster.step(seconds)
    written: list[tuple[float, str]] = []
    made = 0

    async def born() -> Daemon:
        nonlocal made
        made += 1
        daemon = Daemon(cluster, f"d{made}", written, rng.uniform(-1e6, 1e6))
        await daemon.start()
        return daemon

    daemons, active, led, kills = [await born(), await born()], 2, [cluster.clock.now_s], 0
    for turn in range(1800):
        cluster.step(TERMS.retry_s)
        await settle()
        active = {300: 3, 750: 1, 1200: 4}.get(turn, active)
        for daemon in list(daemons):
            leads = await daemon.look(active)
            if leads:
                led.append(cluster.clock.now_s)
            if (leads and rng.random() < 0.01) or daemon.lease.state.lost:
                kills += 1
                daemons.remove(daemon)
                await daemon.fleet.close()
                daemons.append(await born())
            elif leads and rng.random() < 0.01:
                daemon.line.away = True  # cut off: it must stop by itself
        await settle()
        assert len(cluster.serving("chat")) >= (2 if turn < 750 else 1)
    for daemon in daemons:
        await daemon.fleet.close()
    assert kills >= 5 and cluster.replicas("chat") == 4 == len(cluster.serving("chat"))
    longest = max(after - before for before, after in itertools.pairwise(led))
    assert longest <= TERMS.duration_s
    for (before_s, one), (after_s, other) in itertools.pairwise(written):
        assert one == other or after_s - before_s >= TERMS.flight_s
    counts = [event["note"].split(" replicas")[0] for event in cluster.server.all("events")]
    steps = [int(after) - int(before) for before, after in (count.split(" -> ") for count in counts)]
    assert sum(step for step in steps if step < 0) == -2, "a hand-over took replicas in"
