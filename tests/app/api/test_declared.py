"""Policies that are resources are written there; those that are committed are shown as what to commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from app.api.backend import Backend
from app.api.declared import refused
from app.api.main import create_app
from app.daemon.loop import told, turn
from app.daemon.parts import Daemon
from app.kubernetes.policies import PolicyResources
from runtime.kubernetes.client import NotLeading
from runtime.kubernetes.errors import Forbidden, Invalid, Unreachable
from tests.app.fakes import INTERVAL_S, World
from tests.app.kubernetes.conftest import Setting, setting

__all__ = ["setting"]
BY = {"author": "ada", "reason": "launch day"}
POLICY = {"mode": "auto", "replicas": {"min": 2, "max": 7}}


class Desk:
    """An API over a daemon whose policies are resources."""

    def __init__(self, daemon: Daemon, setting: Setting, resources: PolicyResources) -> None:
        self.daemon, self.setting = daemon, setting
        stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
        app = create_app(Backend(daemon.memory, *stores, daemon.leader, resources))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api/api/v1")

    async def turns(self, count: int = 3) -> None:
        for _ in range(count):
            await turn(self.daemon, told(self.daemon, self.daemon.memory.now_s + INTERVAL_S))

    async def apply(self, base: int, **policy: Any) -> httpx.Response:
        body = {"policy": {**POLICY, **policy}, "base_version": base, **BY}
        return await self.http.put("/policies/chat", json=body)


@pytest_asyncio.fixture
async def desk(world: World, setting: Setting) -> AsyncIterator[Desk]:
    fleet = setting.fleet()
    await fleet.replicas()
    daemon = await world.start()
    daemon.resources = PolicyResources(setting.api(daemon.leader.leads), ["llm"], fleet)
    made = Desk(daemon, setting, daemon.resources)
    yield made
    await made.http.aclose()
    await daemon.resources.close()


async def test_a_service_with_a_resource_has_it_written_first_tried_without_effect(desk: Desk) -> None:
    desk.setting.declare(policy={"mode": "auto"})
    await desk.turns()
    base = desk.daemon.memory.services["chat"].policy_version
    said = await desk.apply(base)
    assert said.status_code == 200, said.text
    assert desk.setting.patches == ["dry", "real"]
    assert desk.setting.declared()["spec"]["policy"]["replicas"]["min"] == 2
    assert said.json()["author"] == "ada"
    assert said.json()["reason"] == "launch day; scalingpolicies llm/chat, generation 2"
    await desk.turns()
    assert len(desk.daemon.policies.history("chat")) == base + 1  # what was written here is not taken once more


async def test_a_resource_that_somebody_else_changed_is_a_conflict(desk: Desk) -> None:
    desk.setting.declare(policy={"mode": "auto"})
    await desk.turns()
    base = desk.daemon.memory.services["chat"].policy_version
    desk.setting.declare(generation=2, policy={"mode": "shadow"})
    said = await desk.apply(base)
    assert said.status_code == 409 and "changed meanwhile" in said.json()["detail"]
    assert len(desk.daemon.policies.history("chat")) == base and desk.setting.patches == []


async def test_an_older_version_is_refused_before_the_cluster_is_asked(desk: Desk) -> None:
    desk.setting.declare(policy={"mode": "auto", "replicas": {"min": 1, "max": 9}})
    await desk.turns()
    assert (await desk.apply(1)).status_code == 409 and desk.setting.patches == []


async def test_a_service_without_a_resource_is_written_in_the_store(desk: Desk) -> None:
    await desk.turns()
    assert (await desk.apply(1)).json()["reason"] == "launch day" and desk.setting.patches == []


async def test_a_rollback_is_written_in_the_resource_too(desk: Desk) -> None:
    desk.setting.declare(policy={"mode": "auto", "replicas": {"min": 3, "max": 7}})
    await desk.turns()
    said = await desk.http.post("/policies/chat/rollback", json={"to_version": 1, "base_version": 2, **BY})
    assert said.status_code == 200 and desk.setting.declared()["spec"]["policy"]["replicas"]["min"] == 1
    missing = await desk.http.post("/policies/chat/rollback", json={"to_version": 9, "base_version": 3, **BY})
    assert missing.status_code == 404


async def test_what_is_committed_is_shown_and_not_written(desk: Desk) -> None:
    assert desk.daemon.resources is not None
    desk.daemon.resources.committed = True
    desk.setting.declare(policy={"mode": "auto"})
    await desk.turns()
    said = await desk.apply(desk.daemon.memory.services["chat"].policy_version)
    assert said.status_code == 409 and "commit this YAML" in said.json()["detail"]
    made = yaml.safe_load(said.json()["yaml"])
    assert made["metadata"] == {"name": "chat", "namespace": "llm"}
    assert made["spec"]["policy"] == {"mode": "auto", "replicas": {"min": 2, "max": 7}}
    checked = (await desk.http.post("/policies/chat/check", json={"policy": POLICY})).json()
    assert checked["valid"] and checked["commit"] == said.json()["yaml"]
    assert desk.setting.patches == []


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (Forbidden("no"), 403, "rights.editPolicies"),
        (Invalid("min is greater than max"), 422, "mend the policy"),
        (NotLeading("no"), 503, "ask again"),
        (Unreachable("no answer"), 502, "try again"),
    ],
)
def test_what_the_cluster_says_is_told_with_what_to_do(error: Exception, status: int, remedy: str) -> None:
    from fastapi import HTTPException

    with pytest.raises(HTTPException) as told:
        refused("scalingpolicy llm/chat", error)
    assert told.value.status_code == status and remedy in told.value.detail
