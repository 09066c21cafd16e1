"""The agent over real connections: the protocol round and round, and nobody without the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.agent.client import Refused, RemoteFleet
from runtime.agent.server import BODY_BYTES, create_agent, reached
from runtime.fleet import Fleet, LeadTimeSample, PoolTarget, RackTarget
from runtime.replica import Replica, Tier
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-tests"
AIM = PoolTarget("chat", "chat-pool", active=2, standby=1)


@asynccontextmanager
async def agent(fleet: Instant, token: str | None = TOKEN) -> AsyncIterator[str]:
    async with listening(create_agent(fleet, token)) as url:
        yield url


@pytest.fixture
async def served() -> AsyncIterator[tuple[Instant, RemoteFleet]]:
    fleet = Instant()
    async with agent(fleet) as url:
        client = RemoteFleet(url + "/", TOKEN)
        yield fleet, client
        await client.close()


async def test_it_starts_and_closes_its_fleet() -> None:
    fleet = Instant()
    async with agent(fleet):
        assert fleet.running
    assert not fleet.running


async def test_replicas_go_on_where_that_is_asked_for() -> None:
    fleet = Instant()
    async with listening(create_agent(fleet, TOKEN, keep=True)):
        pass
    assert fleet.running


async def test_what_is_ordered_here_is_done_there(served: tuple[Instant, RemoteFleet]) -> None:
    behind, client = served
    remote: Fleet = client
    await remote.apply([AIM], "d1")
    assert behind.told == ["d1"]
    assert behind.targets == {"chat-pool": AIM}
    assert await remote.replicas() == await behind.replicas()
    assert [r.tier for r in await remote.replicas()] == [Tier.ACTIVE, Tier.ACTIVE, Tier.STANDBY]
    assert await remote.lead_times() == (LeadTimeSample("chat-pool", Tier.COLD, 21.5, 7.0),)
    assert await remote.racks() == ()
    assert (await client.events())[0]["why"] == "exit code -9"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (PoolTarget("chat", "other", 1), "no pool other; there is chat-pool"),
        (PoolTarget("chat", "chat-pool", 1, asleep=1), "its engine cannot sleep; give 0"),
        (PoolTarget("chat", "chat-pool", -1), "active -1 is below 0"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_reason(
    served: tuple[Instant, RemoteFleet], wrong: PoolTarget, why: str
) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        await served[1].apply([wrong], "d1")
    assert refused.value.response.status_code == 422
    assert why in refused.value.response.text
    assert served[0].targets == {}


async def test_racks_that_are_not_there_are_refused(served: tuple[Instant, RemoteFleet]) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        await served[1].hold([RackTarget("r", 4)], "d1")


@pytest.mark.parametrize("token", [None, "another", TOKEN + "x"])
async def test_without_the_token_nothing_is_told_or_done(token: str | None) -> None:
    fleet = Instant()
    async with agent(fleet) as url:
        client = RemoteFleet(url, token)
        for ask in (client.replicas, client.events, lambda: client.apply([AIM], "d1")):
            with pytest.raises(Refused, match=f"^{url}: it refuses our token .401, .*; the first line of fleet.token"):
                await ask()
        await client.close()
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/metrics")).status_code == 401
    assert fleet.targets == {}


async def test_who_stands_before_the_agent_and_lets_nobody_in_is_told_in_one_short_line() -> None:
    async def denied(_: Request) -> Response:
        return PlainTextResponse("RBAC:\n access denied " * 100, 403)

    async with listening(Starlette(routes=[Route("/fleet/replicas", denied)])) as url:
        client = RemoteFleet(url, TOKEN)
        with pytest.raises(Refused, match=r"a proxy or mesh before it, must let us in$") as refused:
            await client.replicas()
        assert "403, RBAC: access denied RBAC:" in str(refused.value) and len(str(refused.value)) < 500
        await client.close()


async def test_large_and_broken_orders_are_refused() -> None:
    fleet = Instant()
    async with agent(fleet, None) as url, httpx.AsyncClient(base_url=url) as http:
        for body, status in ((b"x" * (BODY_BYTES + 1), 413), (b"{", 400), (b"[" * 100_000, 400), (b"[]", 400)):
            assert (await http.put("/fleet/targets", content=body)).status_code == status
    assert fleet.targets == {}


async def test_prometheus_finds_every_engine_with_its_labels(served: tuple[Instant, RemoteFleet]) -> None:
    _, client = served
    await client.apply([PoolTarget("chat", "chat-pool", active=1, warm_node=1)], "d1")
    groups = await client._get("/sd")
    assert groups[1:] == [
        {
            "targets": ["127.0.0.1:9000"],
            "labels": {
                "__metrics_path__": "/r0/metrics",
                "leadtime_service": "chat",
                "leadtime_pool": "chat-pool",
                "leadtime_replica": "r0",
            },
        }
    ]


async def test_the_metrics_page_counts_replicas_and_what_befell_them() -> None:
    async with agent(Instant(), None) as url:
        client = RemoteFleet(url)
        await client.apply([AIM], "d1")
        await client.close()
        async with httpx.AsyncClient(base_url=url) as http:
            text = (await http.get("/metrics")).text
    assert 'leadtime_agent_replicas{pool="chat-pool",state="active"} 2.0' in text
    assert 'leadtime_agent_events_total{pool="chat-pool",what="crashed"} 1.0' in text


async def test_engines_are_told_as_other_machines_reach_them() -> None:
    fleet = Instant()
    async with listening(create_agent(fleet, None, address="10.0.0.7")) as url:
        client = RemoteFleet(url)
        await client.apply([AIM], "d1")
        assert {r.base_url for r in await client.replicas()} == {f"http://10.0.0.7:9000/r{i}" for i in range(3)}
        assert (await client._get("/sd"))[1]["targets"] == ["10.0.0.7:9000"]
        assert await client.rooms() == {"chat-pool": 8}
        await client.close()


def test_an_address_of_version_six_stands_in_brackets() -> None:
    told = Replica("r", "chat", "p", Tier.ACTIVE, None, 0.0, "http://127.0.0.1:9000/r", "n", ())
    assert reached(told, "fd00::7").base_url == "http://[fd00::7]:9000/r"
    assert reached(replace(told, base_url=""), "fd00::7").base_url == ""
