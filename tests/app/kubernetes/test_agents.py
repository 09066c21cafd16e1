"""Pods and agents as one fleet: each pool is moved where it lives, and what either refuses is an expected error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from app.kubernetes.fleet import ClusterFleet, OutOfReach
from runtime.agent.client import RemoteFleet
from runtime.agent.server import create_agent
from runtime.fleet import PoolTarget
from tests.app.kubernetes.conftest import Setting
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"
TAIL = ("tail", "tail-pool")


@dataclass
class Mixed:
    """One Deployment of two replicas, and one agent pod."""

    setting: Setting
    fleet: ClusterFleet
    agent: Instant
    token: str = TOKEN


@pytest_asyncio.fixture
async def mixed(setting: Setting) -> AsyncIterator[Mixed]:
    obj = setting.cluster.workload("shared", 1, "statefulsets", gpus=4)
    obj["spec"]["mock"]["labels"]["leadtime.dev/agent"] = "in"
    setting.cluster.server.put("statefulsets", obj)
    for _ in range(20):
        setting.cluster.step(5.0)
    agent, fleet = Instant(pools=(TAIL[1],)), setting.fleet()
    async with listening(create_agent(agent, TOKEN)) as url:
        made = Mixed(setting, fleet, agent)
        fleet.spec = replace(fleet.spec, agent_pools=(TAIL,))
        fleet._call = lambda _: RemoteFleet(url, lambda: made.token)
        yield made


async def test_both_are_one_list_and_each_pool_is_moved_where_it_lives(mixed: Mixed) -> None:
    await mixed.fleet.apply([PoolTarget(*TAIL, 2), PoolTarget("chat", "chat-h100", 3)], "d1")
    assert mixed.setting.cluster.replicas("chat") == 3
    found = await mixed.fleet.replicas()
    assert sorted((one.service, one.serving) for one in found) == [("chat", True)] * 2 + [("tail", True)] * 2
    assert [sample.pool for sample in await mixed.fleet.lead_times()] == ["chat-pool"]
    assert {key: target.name for key, target in (mixed.fleet.targets() or {}).items()} == {
        ("chat", "chat-h100"): "chat",
        TAIL: "shared",
    }


async def test_a_token_that_is_refused_is_an_expected_error_that_names_the_agent(mixed: Mixed) -> None:
    mixed.token = "another-token-altogether"
    with pytest.raises(OutOfReach, match=r"^agent http://127\S+: it refuses our token \(401, the token is not right"):
        await mixed.fleet.replicas()
    (found,) = mixed.fleet.standings().values()
    assert "fleet.token_file" in found.trouble


async def test_a_token_that_is_refused_later_leaves_the_agent_as_it_was_and_moves_the_pods(mixed: Mixed) -> None:
    await mixed.fleet.apply([PoolTarget(*TAIL, 2)], "d1")
    await mixed.fleet.replicas()
    mixed.token = "another-token-altogether"
    await mixed.fleet.apply([PoolTarget("chat", "chat-h100", 3)], "d2")
    assert mixed.setting.cluster.replicas("chat") == 3
    assert len([one for one in await mixed.fleet.replicas() if one.service == "tail" and one.serving]) == 2
    with pytest.raises(OutOfReach, match="it refuses our token"):
        await mixed.fleet.apply([PoolTarget(*TAIL, 3)], "d3")


async def test_what_the_agents_refuse_keeps_no_pod_waiting(mixed: Mixed) -> None:
    with pytest.raises(OutOfReach, match="422, pool tail-pool: asleep 1, but its engine cannot sleep"):
        await mixed.fleet.apply([PoolTarget(*TAIL, 2, asleep=1), PoolTarget("chat", "chat-h100", 3)], "d1")
    assert mixed.setting.cluster.replicas("chat") == 3


async def test_who_does_not_lead_orders_no_agent(mixed: Mixed) -> None:
    other = mixed.setting.fleet(lambda: False)
    other.spec, other._call = mixed.fleet.spec, mixed.fleet._call
    with pytest.raises(OutOfReach, match="not the leader"):
        await other.apply([PoolTarget(*TAIL, 1)], "d1")
    assert mixed.agent.told == []
