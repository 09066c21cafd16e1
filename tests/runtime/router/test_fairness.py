"""Tenants and classes at the gateway: who is turned away, who is held, and who goes first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from runtime.router.page import page
from runtime.router.spec import Promise, RouterSpec, ServiceClass
from runtime.router.tenants import Quota, Tenancy
from tests.runtime.router.hosts import LIMITS, Client, Engine, Rig, listening, rig, spec

ONE = replace(LIMITS, in_flight=1)
CLASSES = (ServiceClass("interactive"), ServiceClass("batch", 0.5, Promise(1e-9, 0.0, 0.0)))


def of(base: RouterSpec, **quotas: Quota) -> RouterSpec:
    return replace(base, tenancy=Tenancy(quotas=quotas))


async def held(router: Rig, count: int, *headers: str) -> list[asyncio.Task[Client]]:
    """So many more requests, all in line."""
    before = router.chat.held
    asking = [asyncio.create_task(router.ask(headers=headers)) for _ in range(count)]
    while router.chat.held < before + count:
        await asyncio.sleep(0.001)
    return asking


async def test_who_is_over_its_quota_is_told_when_to_come_again_and_nobody_else_is() -> None:
    async with listening(Engine()) as url, rig([url]) as router:
        router.gateway.configure(of(spec(), small=Quota(requests_per_s=0.1)))
        seen = [await router.ask(headers=[f"x-tenant-id: {name}"]) for name in ("small", "small", "large", "large")]
        assert [client.status for client in seen] == [200, 429, 200, 200]
        assert seen[1].answered[b"retry-after"] == b"10"
        assert router.counts() == {"arrived": 3, "ended": 3, "attained": 3}


async def test_what_was_written_is_paid_and_what_was_not_is_not() -> None:
    async with listening(Engine()) as url, rig([url]) as router:
        for _ in range(3):
            await router.ask(headers=["authorization: Bearer sk-1"])
        account = router.gateway.tenants.accounts["key-ec11dc6df162"]
        assert (account.used.tokens, account.in_flight) == (3 * (2 + 7), 0)


async def test_who_floods_does_not_starve_another() -> None:
    engine = Engine()
    async with listening(engine) as url, rig(limits=ONE) as router:
        flood = await held(router, 20, "x-tenant-id: flood")
        other = await held(router, 2, "x-tenant-id: other")
        router.rotate(url)
        await asyncio.gather(*flood, *other)
        order = [headers[b"x-tenant-id"] for headers in engine.headers]
        assert [i for i, name in enumerate(order) if name == b"other"] == [1, 3]


async def test_a_line_full_of_one_tenant_s_has_room_for_another() -> None:
    async with listening(Engine()) as url, rig(limits=replace(ONE, held=3)) as router:
        flood = await held(router, 3, "x-tenant-id: flood")
        other = asyncio.create_task(router.ask(headers=["x-tenant-id: other"]))
        refused = await asyncio.wait_for(flood[2], 5)
        assert (refused.status, refused.answered[b"retry-after"], router.chat.held) == (503, b"5", 3)
        router.rotate(url)
        assert {client.status for client in await asyncio.gather(flood[0], flood[1], other)} == {200}
        assert router.counts() == {"arrived": 4, "ended": 4, "attained": 3, "rejected": 1}


async def test_what_is_urgent_goes_first_and_what_is_not_leaves_it_room() -> None:
    engine, leave = Engine("endless"), asyncio.Event()
    limits = replace(LIMITS, in_flight=2)
    async with listening(engine) as url, rig([url], limits) as router:
        router.gateway.configure(spec(limits, classes=CLASSES))
        batch = ["x-slo-class: batch"]
        first = asyncio.create_task(router.ask(leave, batch, stream=True))
        while not router.chat.loads["r0"].running:
            await asyncio.sleep(0.001)
        waiting = await held(router, 1, *batch)
        engine.does = "whole"
        assert (await router.ask(headers=["x-slo-class: interactive"])).status == 200
        assert (await router.ask()).status == 200
        assert 'leadtime_gateway_class_held{service="chat",class="batch"} 1' in page(
            [router.chat], router.gateway.tenants, 0
        )
        leave.set()
        assert (await waiting[0]).status == 200
        await first
        assert router.counts() == {"arrived": 4, "ended": 3, "attained": 2, "left": 1}


async def test_a_class_that_there_is_not_is_told() -> None:
    async with listening(Engine()) as url, rig([url]) as router:
        assert (await router.ask(headers=["x-slo-class: best"])).status == 200
        router.gateway.configure(spec(classes=CLASSES))
        seen = await router.ask(headers=["x-slo-class: best"])
        assert (seen.status, b"no class 'best'; there are interactive, batch" in seen.content) == (400, True)


async def test_fewer_classes_take_effect_while_requests_wait() -> None:
    async with listening(Engine()) as url, rig() as router:
        router.gateway.configure(spec(classes=CLASSES))
        waiting = await held(router, 1, "x-slo-class: batch")
        router.gateway.configure(spec())
        router.rotate(url)
        assert (await waiting[0]).status == 200


async def test_the_page_names_tenants_of_the_file_and_no_key() -> None:
    async with listening(Engine()) as url, rig([url]) as router:
        router.gateway.configure(of(spec(), acme=Quota()))
        for headers in (["x-tenant-id: acme"], ["authorization: Bearer sk-1"], ["x-tenant-id: evil"]):
            await router.ask(headers=headers)
        text = page([router.chat], router.gateway.tenants, 0)
        assert 'leadtime_gateway_tenant_requests_total{tenant="acme"} 1' in text
        assert 'leadtime_gateway_tenant_requests_total{tenant="other"} 2' in text
        assert "sk-1" not in text and "evil" not in text
