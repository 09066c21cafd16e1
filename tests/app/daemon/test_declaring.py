"""A ScalingPolicy becomes a version, and is told how it stands."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest_asyncio

from app.api.schemas.policies import PolicyWrite
from app.daemon import loop
from app.daemon.declaring import WATCH_S
from app.daemon.leading import Alone
from app.daemon.parts import Daemon
from app.kubernetes.policies import PolicyResources
from tests.app.fakes import INTERVAL_S, World
from tests.app.kubernetes.conftest import Setting, setting

__all__ = ["setting"]


class Turns:
    """A daemon over fakes whose policies are resources of a cluster."""

    def __init__(self, daemon: Daemon, setting: Setting) -> None:
        self.daemon, self.setting, self.now_s = daemon, setting, daemon.memory.now_s

    async def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_s += INTERVAL_S
            await loop.turn(self.daemon, loop.told(self.daemon, self.now_s))
            for _ in range(30):
                await asyncio.sleep(0)

    def versions(self) -> list[tuple[int, str, str]]:
        return [(one.version, one.author, one.reason) for one in self.daemon.policies.history("chat")]

    def condition(self, kind: str, name: str = "chat") -> tuple[str, str]:
        said: list[dict[str, Any]] = self.setting.declared(name)["status"]["conditions"]
        return next((one["status"], one["reason"]) for one in said if one["type"] == kind)


@pytest_asyncio.fixture
async def turns(world: World, setting: Setting) -> Any:
    fleet = setting.fleet()
    await fleet.replicas()
    daemon = await world.start()
    daemon.resources = PolicyResources(setting.api(daemon.leader.leads), ["llm"], fleet)
    yield Turns(daemon, setting)
    await daemon.resources.close()


async def test_a_resource_becomes_the_next_version_and_is_told_so(turns: Turns) -> None:
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(3)
    assert turns.versions()[0] == (2, "argocd", "scalingpolicies llm/chat, generation 1")
    assert turns.daemon.memory.services["chat"].policy.replicas.min == 3
    status = turns.setting.declared()["status"]
    assert status["policyVersion"] == 2 and status["desired"]["active"] >= 3
    assert turns.condition("Ready") == ("True", "Followed")


async def test_a_policy_changed_by_its_resource_is_on_watch_like_one_changed_by_the_api(turns: Turns) -> None:
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(3)
    watch = turns.daemon.trials.watches.newest("chat")
    assert watch is not None and watch.open
    assert (watch.version, watch.base_version, watch.watch_s) == (2, 1, WATCH_S)
    turns.setting.declare(generation=2, policy={"mode": "shadow"})
    await turns.turn(3)
    watch = turns.daemon.trials.watches.newest("chat")
    assert watch is not None and watch.version == 2 and not watch.open, "what does not act is not watched"


def test_a_resource_is_watched_as_long_as_the_api_s_default() -> None:
    assert PolicyWrite.model_fields["watch_s"].default == WATCH_S


async def test_nothing_changes_and_nothing_is_written(turns: Turns) -> None:
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(6)
    before = len(turns.setting.cluster.server.writes)
    await turns.turn(6)
    assert len(turns.setting.cluster.server.writes) == before and len(turns.versions()) == 2


async def test_what_cannot_work_is_refused_and_the_old_one_stays(turns: Turns) -> None:
    turns.setting.declare(policy={"mode": "auto", "slo": {"tpot_s": 0.001}})
    await turns.turn(3)
    assert len(turns.versions()) == 1
    assert turns.condition("Accepted") == ("False", "CannotWork")


async def test_a_version_that_was_taken_back_is_not_forced_again(turns: Turns) -> None:
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(3)
    turns.daemon.policies.rollback("chat", 1, 2, "watch", "it burned", turns.now_s)
    await turns.turn(3)
    assert [version for version, _, _ in turns.versions()] == [3, 2, 1]
    assert turns.condition("Accepted") == ("False", "Superseded")
    turns.setting.declare(generation=2, policy={"mode": "auto", "replicas": {"min": 2, "max": 6}})
    await turns.turn(3)
    assert turns.versions()[0][2].endswith("generation 2") and turns.condition("Ready") == ("True", "Followed")


async def test_a_follower_takes_and_tells_nothing(turns: Turns) -> None:
    turns.daemon.acting = False

    class Second(Alone):
        def leads(self) -> bool:
            return False

    turns.daemon.leader = Second()
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(3)
    assert len(turns.versions()) == 1 and turns.setting.declared()["status"] == {}


async def test_without_the_definition_the_store_stays_the_truth(turns: Turns) -> None:
    turns.setting.cluster.server.served.discard("scalingpolicies")
    await turns.turn(3)
    assert len(turns.versions()) == 1 and turns.daemon.memory.trouble is None


async def test_a_status_that_may_not_be_written_costs_no_tick(turns: Turns) -> None:
    def forbidden(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/status"):
            return httpx.Response(403, json={"reason": "Forbidden", "message": "cannot patch scalingpolicies/status"})
        return None

    turns.setting.cluster.server.faults.append(forbidden)
    turns.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 6}})
    await turns.turn(3)
    assert turns.versions()[0][0] == 2 and turns.daemon.memory.tally.failed_ticks == 0
