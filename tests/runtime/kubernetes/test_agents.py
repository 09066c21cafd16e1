"""Agent pods over real connections: pods of the small cluster, each with a real agent on loopback behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import httpx
import pytest
import pytest_asyncio

from runtime.agent.client import Refused, RemoteFleet, Untrusted
from runtime.agent.server import create_agent
from runtime.fleet import PoolTarget
from runtime.kubernetes.agents import AgentPods, told
from runtime.kubernetes.client import Api, NotLeading
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.resource import STATEFUL_SETS
from runtime.replica import Replica, Transition
from tests.runtime.agent.hosted import Instant
from tests.runtime.kubernetes.conftest import Short, Still, World
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"
POOLS = (("chat", "chat-pool"), ("tail", "tail-pool"))


class Shared(Instant):
    """A fleet of one pod, which names its replicas after it."""

    name = ""

    async def replicas(self) -> tuple[Replica, ...]:
        return tuple(replace(one, name=f"{self.name}-{one.name}", node=self.name) for one in await super().replicas())


@dataclass
class Agents:
    """Two agent pods on a node each, and what runs in them."""

    world: World
    pods: KubernetesFleet
    fleet: AgentPods
    hosts: dict[str, Shared]
    servers: dict[str, contextlib.AsyncExitStack]
    leads: list[bool] = field(default_factory=lambda: [True])

    async def apply(self, active: int) -> None:
        await self.fleet.apply([PoolTarget("chat", "chat-pool", active)], "d1")

    async def names(self, transition: Transition | None = None) -> list[str]:
        return [one.name for one in await self.fleet.replicas() if one.transition is transition]

    def wanted(self) -> dict[str, int]:
        return {name: host.targets["chat-pool"].active for name, host in self.hosts.items() if host.targets}


async def host(stack: contextlib.AsyncExitStack, name: str) -> tuple[Shared, str]:
    made = Shared(pools=tuple(pool for _, pool in POOLS), room=4)
    made.name = name
    return made, await stack.enter_async_context(listening(create_agent(made, TOKEN)))


def lead(world: World, leads: list[bool]) -> Api:
    """The API server as one who leads, as long as that holds."""
    clock = Short(world.cluster.clock)
    return Api(Connection("http://cluster"), clock, transport=world.cluster.server, may_write=lambda: leads[0])


@pytest_asyncio.fixture
async def agents(world: World) -> AsyncIterator[Agents]:
    obj = world.cluster.workload("shared", 2, "statefulsets", gpus=4)
    obj["spec"]["mock"]["labels"]["leadtime.dev/agent"] = "in"
    world.cluster.server.put("statefulsets", obj)
    pods = await world.fleet(discover=("llm",), targets=(), agent_pools=POOLS)
    await world.run(70)
    hosts, servers, lines = {}, {}, {}
    for pod in world.cluster.pods("shared"):
        name = pod["metadata"]["name"]
        servers[name] = contextlib.AsyncExitStack()
        hosts[name], lines[f"http://{pod['status']['podIP']}:8900"] = await host(servers[name], name)
    leads = [True]
    api = lead(world, leads)
    fleet = AgentPods(
        api, pods.picture, pods.spec, Still(world.cluster), lambda pod: RemoteFleet(lines[pod.url], TOKEN)
    )
    yield Agents(world, pods, fleet, hosts, servers, leads)
    await fleet.close()
    for stack in servers.values():
        await stack.aclose()


async def test_models_in_agent_pods_are_replicas_with_their_tier_on_the_node_of_their_pod(agents: Agents) -> None:
    assert await agents.fleet.replicas() == ()
    target = PoolTarget("chat", "chat-pool", 2, standby=1)
    await agents.fleet.apply([target, PoolTarget("tail", "tail-pool", 1)], "d1")
    found = await agents.fleet.replicas()
    assert sorted((one.pool, str(one.tier)) for one in found) == [
        ("chat-pool", "active"),
        ("chat-pool", "active"),
        ("chat-pool", "standby"),
        ("tail-pool", "active"),
    ]
    assert {one.node for one in found} == {"node-0", "node-1"}
    assert len(await agents.fleet.lead_times()) == 2


async def test_the_pod_s_workload_is_the_target_of_its_pools_and_no_target_of_the_pods_fleet(agents: Agents) -> None:
    await agents.fleet.replicas()
    assert {key: (one.resource, one.name) for key, one in agents.fleet.targets().items()} == dict.fromkeys(
        POOLS, (STATEFUL_SETS, "shared")
    )
    assert agents.pods.picture.targets() == {} and await agents.pods.replicas() == ()


async def test_a_silent_agent_is_believed_for_a_minute_and_then_lost(agents: Agents) -> None:
    await agents.apply(4)
    assert len(await agents.names()) == 4
    await agents.servers["shared-0"].aclose()
    agents.world.cluster.clock.now_s += 60
    assert len(await agents.names()) == 4
    agents.world.cluster.clock.now_s += 1
    assert await agents.names(Transition.FAILED) == ["shared-0-r0", "shared-0-r1"]
    await agents.apply(4)
    assert agents.wanted()["shared-1"] == 4


async def test_each_agent_that_refuses_the_token_is_named_at_the_first_look(agents: Agents) -> None:
    lines = agents.fleet._call
    fleet = AgentPods(
        lead(agents.world, [True]),
        agents.pods.picture,
        agents.pods.spec,
        Still(agents.world.cluster),
        lambda pod: RemoteFleet(lines(pod).url, "another-token-of-agents"),
    )
    with pytest.raises(Refused):
        await fleet.replicas()
    troubles = {name: one.trouble for name, one in fleet.standings().items()}
    assert list(troubles) == ["llm/shared-0", "llm/shared-1"]
    assert all("it refuses our token" in trouble for trouble in troubles.values())
    await fleet.close()


async def test_a_cordoned_node_is_left_when_the_others_serve(agents: Agents) -> None:
    await agents.apply(2)
    node = agents.world.cluster.server.get("nodes", "node-0")
    agents.world.cluster.server.put("nodes", node | {"spec": {"unschedulable": True}})
    await agents.world.run(5)
    for _ in range(2):
        await agents.apply(2)
    assert agents.wanted() == {"shared-0": 0, "shared-1": 2}


async def test_a_pod_that_ends_is_emptied_at_once_and_gone_with_what_it_had(agents: Agents) -> None:
    await agents.apply(2)
    server = agents.world.cluster.server
    server.terminate(server.get("pods", "shared-1"))
    await agents.world.settle()
    await agents.apply(2)
    assert agents.wanted() == {"shared-0": 2, "shared-1": 0}
    server.remove("pods", server.get("pods", "shared-1"))
    await agents.world.settle()
    agents.hosts["shared-1"].targets.clear()
    assert await agents.names() == ["shared-0-r0", "shared-0-r1"]


async def test_another_order_is_an_event_on_the_workload_and_the_same_is_none(agents: Agents) -> None:
    for active in (2, 3, 3, 1):
        agents.world.cluster.clock.now_s += 15
        await agents.fleet.apply([PoolTarget(service, pool, active) for service, pool in POOLS], "d1")
    events = agents.world.cluster.server.all("events")
    assert [(one["reason"], one["note"]) for one in events] == [
        ("ScaledOut", "pool chat-pool: active 2 -> 3, decision d1"),
        ("ScaledOut", "pool tail-pool: active 2 -> 3, decision d1"),
        ("ScaledIn", "pool chat-pool: active 3 -> 1, decision d1"),
        ("ScaledIn", "pool tail-pool: active 3 -> 1, decision d1"),
    ]
    assert {one["regarding"]["name"] for one in events} == {"shared"}


async def test_who_does_not_lead_orders_nothing(agents: Agents) -> None:
    agents.leads[0] = False
    with pytest.raises(NotLeading):
        await agents.apply(2)
    assert agents.wanted() == {}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Untrusted("https://10.0.0.7:8900: its certificate is not trusted"), ""),
        (httpx.ConnectError("nobody", request=httpx.Request("GET", "http://10.0.0.7:8900")), "http://10.0.0.7:8900: "),
    ],
)
def test_an_error_names_the_agent_once(error: httpx.HTTPError, line: str) -> None:
    assert told(error) == f"agent {line}{error}"


async def test_two_agents_of_one_name_are_refused(agents: Agents) -> None:
    await agents.apply(2)
    for shared in agents.hosts.values():
        shared.name = "local"
    with pytest.raises(ValueError, match="two agents have a replica local-r0; start each with a --node"):
        await agents.fleet.replicas()


async def test_without_an_agent_pod_the_order_says_what_is_missing(world: World) -> None:
    pods = await world.fleet(discover=("llm",), targets=(), agent_pools=POOLS)
    fleet = AgentPods(
        lead(world, [True]), pods.picture, pods.spec, Still(world.cluster), lambda pod: RemoteFleet(pod.url)
    )
    assert await fleet.replicas() == ()
    with pytest.raises(ValueError, match=r"no pod in llm bears leadtime\.dev/agent"):
        await fleet.apply([PoolTarget("chat", "chat-pool", 1)], "d1")
