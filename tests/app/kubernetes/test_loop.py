"""The whole loop over a small cluster: load becomes pods, a policy becomes a version, a deaf server becomes a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.daemon import loop
from app.daemon.leading import Alone
from app.daemon.main import close
from app.daemon.parts import Daemon
from app.daemon.wiring import wire
from app.kubernetes.fleet import ClusterFleet
from app.kubernetes.leader import ClusterLeader
from app.kubernetes.policies import PolicyResources
from tests.app.fakes import INTERVAL_S, World
from tests.app.kubernetes.conftest import Setting
from tests.app.kubernetes.test_leader import fleet
from tests.app.test_fleets import settings


class Loop:
    """A daemon that scales the cluster's one Deployment."""

    def __init__(self, world: World, daemon: Daemon, setting: Setting) -> None:
        self.world, self.daemon, self.setting = world, daemon, setting

    async def run(self, ticks: int) -> None:
        for _ in range(ticks):
            for _ in range(3):
                self.setting.cluster.step(INTERVAL_S / 3)
                await self.settle()
            now_s = loop.told(self.daemon, self.setting.cluster.clock.now_s)
            await loop.turn(self.daemon, now_s)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(40):
            await asyncio.sleep(0)

    @property
    def count(self) -> int:
        return self.setting.cluster.replicas("chat")


@pytest_asyncio.fixture
async def running(world: World, setting: Setting) -> AsyncIterator[Loop]:
    setting.cluster.startup_s = 20.0
    world.clock.now_s = setting.cluster.clock.now_s
    daemon = await world.start()
    made = setting.fleet(lambda: daemon.leader.leads())
    daemon.fleet, daemon.replicas = made, ()
    daemon.resources = PolicyResources(made.api, ["llm"], made)
    yield Loop(world, daemon, setting)
    await daemon.resources.close()


async def test_load_becomes_pods_and_a_policy_bounds_them(running: Loop) -> None:
    running.world.source.rps = 40.0
    await running.run(6)
    assert running.count > 2
    running.setting.declare(policy={"mode": "auto", "replicas": {"min": 1, "max": 2}})
    await running.run(2)
    status = running.setting.declared()["status"]
    assert status["policyVersion"] == 2 and status["desired"]["active"] <= 2
    assert running.daemon.memory.tally.failed_ticks == 0


async def test_a_server_that_is_deaf_for_long_costs_ticks_and_no_pod(running: Loop) -> None:
    running.world.source.rps = 40.0
    await running.run(6)
    high = running.count

    def deaf(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(503, json={"message": "etcd has no leader"})

    running.setting.cluster.server.faults.append(deaf)
    running.setting.cluster.server.cut()
    running.world.source.rps = 0.1
    await running.run(30)
    assert running.count == high
    assert any(gap.subject == "fleet" and "too old" in gap.reason for gap in running.daemon.memory.gaps)
    running.setting.cluster.server.faults.remove(deaf)
    await running.run(1)
    assert running.count == high


async def test_one_that_does_not_lead_moves_no_pod(running: Loop) -> None:
    class Second(Alone):
        def leads(self) -> bool:
            return False

    running.daemon.leader, running.daemon.acting = Second(), False
    running.world.source.rps = 40.0
    await running.run(6)
    assert running.count == 2 and running.setting.cluster.server.writes == []


@pytest.mark.parametrize(("changes", "leader"), [({"lease": "leadtime-daemon"}, ClusterLeader), ({}, Alone)])
async def test_the_file_becomes_a_daemon_of_the_cluster(tmp_path: Any, changes: dict[str, Any], leader: type) -> None:
    told = settings(fleet(tmp_path, gitops=True, **changes))
    chosen = told.model_copy(update={"store": told.store.model_copy(update={"url": f"sqlite:///{tmp_path}/x.db"})})
    daemon = wire(chosen)
    assert isinstance(daemon.fleet, ClusterFleet) and type(daemon.leader) is leader
    assert daemon.acting is (leader is Alone)
    assert daemon.resources is not None and daemon.resources.committed
    await close(daemon)
