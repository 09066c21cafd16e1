"""The router in front of a simulated fleet, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from collectors.gateway import read_gateway
from runtime.replica import Tier
from runtime.router.server import Router, Waker, create_app, create_router
from runtime.router.spec import Limits, Promise, RoutedService, RouterSpec
from runtime.simulated.client import SimulatedFleet
from tests.runtime.router.hosts import listening
from tests.runtime.simulated.fleets import POOL, service, world
from tests.runtime.simulated.hosts import served

SPEED = 10.0
BODY: dict[str, Any] = {"model": "chat", "prompt": "hello", "max_tokens": 4}


def spec(policy: str = "sal") -> RouterSpec:
    pools = {"chat-pool": POOL}
    return RouterSpec((RoutedService("chat", pools, Promise(20.0, 0.0, 1.0), policy),), Limits(hold_s=20.0))


@asynccontextmanager
async def routed(active: int = 2) -> AsyncIterator[tuple[Router, httpx.AsyncClient, SimulatedFleet]]:
    """A router on a port before a simulated fleet on another, and a client of each."""
    async with served(world(service(active=active)), SPEED) as fleet_url:
        fleet = SimulatedFleet(fleet_url)
        router = create_router(spec(), fleet, poll_s=0.05)
        async with listening(create_app(router)) as url, httpx.AsyncClient(base_url=url, timeout=20.0) as http:
            yield router, http, fleet
        await fleet.close()


async def test_completions_chat_and_streams() -> None:
    async with routed() as (router, http, _):
        assert (await http.get("/healthz")).json() == {"status": "ok", "replicas": {"chat": 2}}
        assert [row["id"] for row in (await http.get("/v1/models")).json()["data"]] == ["chat"]
        whole = await http.post("/v1/completions", json=BODY)
        assert whole.json()["usage"]["completion_tokens"] == 4
        messages = [{"role": "user", "content": "hello"}]
        chat = {"model": "chat", "messages": messages, "max_tokens": 3, "stream": True}
        said = await http.post("/v1/chat/completions", json=chat)
        assert (said.text.count("data: "), said.text.endswith("data: [DONE]\n\n")) == (4, True)
        loads = router.gateway.services["chat"].loads.values()
        assert sum(load.written_tokens for load in loads) == 8  # four, and three with the event that ends them


async def test_its_page_is_what_collectors_read() -> None:
    async with routed() as (_, http, _):
        await http.post("/v1/completions", json=BODY)
        assert (await http.post("/v1/completions", json={"model": "chat"})).status_code == 400
        page = await http.get("/metrics")
        samples, gaps = read_gateway(page.content, 1.0)
        chat = samples["chat"]
        assert (gaps, chat.held, chat.rejected) == ((), 0, 0)
        assert (await http.get("/gateway/metrics")).status_code == 200
        assert 'leadtime_gateway_replica_requests{service="chat",replica="chat-0001"} 0' in page.text


async def test_a_client_that_hangs_up_frees_the_engine() -> None:
    async with routed(active=1) as (router, http, fleet):
        async with http.stream("POST", "/v1/completions", json={**BODY, "max_tokens": 15_000, "stream": True}) as said:
            assert await anext(said.aiter_raw())
        while router.gateway.services["chat"].counts.left == 0:
            await asyncio.sleep(0.01)
        engine = httpx.AsyncClient(base_url=fleet.url)
        while "vllm:num_requests_running{" in (page := (await engine.get("/replicas/chat-0001/metrics")).text):
            line = next(line for line in page.splitlines() if line.startswith("vllm:num_requests_running{"))
            if float(line.split()[-1]) == 0:
                break
        await engine.aclose()


async def test_a_body_of_10_mb_is_told_that_it_is_too_large() -> None:
    async with routed(active=1) as (_, http, _):
        body = b'{"model": "chat", "prompt": "' + b"x" * 10_000_000 + b'"}'
        assert (await http.post("/v1/completions", content=body)).status_code == 413


async def test_replicas_come_and_go_with_the_fleet() -> None:
    async with routed(active=1) as (router, http, fleet):
        async with httpx.AsyncClient(base_url=fleet.url) as hand:
            await hand.post("/replicas/chat-0001/sleep")
            while router.gateway.services["chat"].loads:
                await asyncio.sleep(0.01)
            asking = asyncio.create_task(http.post("/v1/completions", json=BODY))
            while not router.gateway.services["chat"].held:
                await asyncio.sleep(0.01)
            await hand.post("/replicas/chat-0001/wake_up")
        assert (await asking).status_code == 200
        assert [r.tier for r in await fleet.replicas()] == [Tier.ACTIVE]


async def test_a_fleet_that_cannot_be_asked_changes_nothing() -> None:
    async with served(world(), SPEED) as url:
        fleet = SimulatedFleet(url)
        router = create_router(spec(), fleet)
        await router.poll()
    await router.poll()
    assert (list(router.gateway.services["chat"].loads), router.fleet_errors) == (["chat-0001"], 1)
    await asyncio.gather(fleet.close(), router.waker.http.aclose())


async def test_a_wrong_configuration_changes_nothing() -> None:
    given = [spec("lmetric")]
    router = create_router(spec(), SimulatedFleet("http://127.0.0.1:1"), reload=lambda: given[0])
    router.reconfigure()
    assert router.gateway.services["chat"].spec.policy == "lmetric"

    def wrong() -> RouterSpec:
        raise ValueError("fleet.yaml: no policy")

    router.reload = wrong
    router.reconfigure()
    assert router.gateway.services["chat"].spec.policy == "lmetric"
    await router.waker.http.aclose()


def test_a_policy_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no policy 'best'; there are least-requests"):
        spec("best")


async def test_who_is_told_to_wake_a_service_is_shown_a_credential() -> None:
    def sign(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = "Bearer t"
        return request

    shown: list[str] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        shown.append(dict(scope["headers"])[b"authorization"].decode())
        await Response(status_code=202)(scope, receive, send)

    async with listening(page) as url:
        router = create_router(spec(), SimulatedFleet("http://127.0.0.1:1"), wake_url=f"{url}/wake", sign=sign)
        router.waker("chat", 1)
        await asyncio.gather(*router.waker.telling)
        await router.waker.http.aclose()
    assert shown == ["Bearer t"]


async def test_whoever_wakes_services_is_told_once_a_second_each() -> None:
    told: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(request.content)
        return httpx.Response(200 if len(told) == 1 else 500)

    now_s = [0.0]
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        waker = Waker(http, "http://daemon/wake", lambda: now_s[0])
        for at_s, name in ((0.0, "chat"), (0.5, "chat"), (0.5, "code"), (1.0, "chat")):
            now_s[0] = at_s
            waker(name, 3)
        await asyncio.gather(*waker.telling)
    assert sorted(told) == [b'{"service":"chat","held":3}'] * 2 + [b'{"service":"code","held":3}']
