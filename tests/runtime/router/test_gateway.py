"""What happens to a request on its way, whatever engines and clients do."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.runtime.router.hosts import EVENT, LIMITS, Client, Engine, hanging_up, listening, rig, spec

NOBODY = "http://127.0.0.1:1"


async def test_an_answer_comes_as_the_engine_gave_it() -> None:
    engine = Engine()
    async with listening(engine) as url, rig([url]) as router:
        seen = await router.ask()
        assert (seen.status, json.loads(seen.content)["said"], seen.whole) == (200, 200, True)
        assert router.counts() == {"arrived": 1, "ended": 1, "attained": 1}
        assert router.chat.loads["r0"].written_tokens == 7
        assert engine.asked == [{"model": "chat", "prompt": "hello"}]


async def test_a_stream_comes_piece_by_piece_and_is_counted() -> None:
    engine = Engine("stream")
    async with listening(engine) as url, rig([url]) as router:
        asking = asyncio.create_task(router.ask(stream=True))
        while not (load := router.chat.loads["r0"]).running:
            await asyncio.sleep(0.01)
        assert not asking.done()
        engine.go_on.set()
        seen = await asking
        assert seen.content == EVENT * 4 + b"data: [DONE]\n\n"
        assert (load.requests, load.kv_tokens, load.ended) == (0, 0, 1)
        assert router.counts() == {"arrived": 1, "ended": 1, "attained": 1}


async def test_a_client_s_key_is_passed_on_and_its_connection_is_not() -> None:
    engine = Engine()
    async with listening(engine) as url, rig([url]) as router:
        headers = [(b"authorization", b"Bearer k"), (b"te", b"trailers"), (b"host", b"router"), (b"x-request-id", b"7")]
        await Client(b'{"model": "chat"}', asyncio.Event(), headers).post(router.gateway, "/v1/embeddings")
        got = engine.headers[0]
        assert (got[b"authorization"], got[b"x-request-id"], b"te" in got) == (b"Bearer k", b"7", False)
        assert got[b"host"].startswith(b"127.0.0.1")


# --- engines that fail -------------------------------------------------------------------------------------------


async def test_nothing_is_lost_where_a_replica_dies_before_the_first_byte() -> None:
    engine = Engine()
    async with listening(engine) as url, hanging_up() as dead, rig([dead, url, NOBODY]) as router:
        seen = await asyncio.gather(*(router.ask() for _ in range(12)))
        assert {client.status for client in seen} == {200}
        counts = router.counts()
        assert (counts["ended"], counts["attained"], "lost" in counts, counts["retried"] > 0) == (12, 12, False, True)
        assert len(engine.asked) == 12


@pytest.mark.parametrize("does", [500, 502, 503, "early-error"])
async def test_a_failure_is_tried_elsewhere(does: str | int) -> None:
    bad, good = Engine(does), Engine()
    async with listening(bad) as first, listening(good) as second, rig([first, second]) as router:
        seen = [await router.ask(stream=does == "early-error") for _ in range(2)]
        assert [client.status for client in seen] == [200, 200]
        assert len(good.asked) == 2


async def test_a_request_that_breaks_engines_breaks_no_more_than_two() -> None:
    engines = [Engine(500) for _ in range(4)]
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(listening(engine)) for engine in engines]
        router = await stack.enter_async_context(rig(urls))
        seen = await router.ask()
        assert (seen.status, json.loads(seen.content)["said"]) == (500, 500)
        assert sum(len(engine.asked) for engine in engines) == 2
        assert router.counts() == {"arrived": 1, "ended": 1, "lost": 1, "retried": 1}


async def test_a_lone_replica_that_comes_back_is_asked_again() -> None:
    engine = Engine(503)
    async with listening(engine) as url, rig([url]) as router:
        asking = asyncio.create_task(router.ask())
        while len(engine.asked) < 2:
            await asyncio.sleep(0.01)
        engine.does = "whole"
        assert (await asking).status == 200


async def test_a_stream_that_breaks_is_told_and_not_sent_again_where_that_is_off() -> None:
    bad, good, limits = Engine("cut"), Engine(), replace(LIMITS, continue_streams=0)
    async with listening(bad) as first, listening(good) as second, rig([second, first], limits) as router:
        seen = await router.ask(stream=True)
        assert seen.content.startswith(EVENT * 2 + b'data: {"error"')
        assert (b"[DONE]" in seen.content, seen.whole, good.asked) == (False, True, [])
        assert router.counts() == {"arrived": 1, "ended": 1, "lost": 1}


async def test_an_answer_that_breaks_is_cut_off() -> None:
    async with listening(Engine("cut-whole")) as url, rig([url]) as router:
        seen = await router.ask()
        assert (seen.content, seen.whole) == (b'{"usage": ', False)
        assert router.counts() == {"arrived": 1, "ended": 1, "lost": 1}


async def test_what_an_engine_refuses_is_the_client_s_own_affair() -> None:
    engine = Engine(400)
    async with listening(engine) as url, rig([url]) as router:
        assert (await router.ask(max_tokens=10**6)).status == 400
        assert engine.asked[0]["max_tokens"] == 10**6
        assert router.counts() == {"arrived": 1}


# --- clients that fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("does", ["endless", "flood"])
async def test_the_engine_stops_when_the_client_leaves(does: str) -> None:
    engine, leave = Engine(does), asyncio.Event()
    async with listening(engine) as url, rig([url]) as router:
        client = Client(b'{"model": "chat", "stream": true}', leave, stuck=True)
        asking = asyncio.create_task(client.post(router.gateway))
        while not client.content:
            await asyncio.sleep(0.01)
        leave.set()
        await asking
        await engine.aborted.wait()
        assert router.counts() == {"arrived": 1, "left": 1}
        assert router.chat.loads["r0"].requests == 0


async def test_a_client_that_leaves_while_it_is_held_leaves_nothing() -> None:
    leave = asyncio.Event()
    async with rig() as router:
        asking = asyncio.create_task(router.ask(leave))
        while not router.chat.held:
            await asyncio.sleep(0.01)
        leave.set()
        await asking
        assert (router.chat.held, router.counts()) == (0, {"arrived": 1, "left": 1})


async def test_a_client_that_does_not_read_is_dropped_and_buffers_nothing() -> None:
    engine = Engine("flood")
    limits = replace(LIMITS, write_s=0.3)
    async with listening(engine) as url, rig([url], limits) as router:
        client = Client(b'{"model": "chat", "stream": true}', asyncio.Event(), stuck=True)
        await client.post(router.gateway)
        await engine.aborted.wait()
        assert len(client.content) <= 2**16
        assert engine.pieces < 500  # what the kernel's socket buffers took, of 1,000
        assert router.counts() == {"arrived": 1, "left": 1}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"model": "chat", "prompt": "' + b"x" * 10_000_000 + b'"}', 413, "larger than 8388608 bytes"),
        (b"{", 400, "no JSON"),
        (b"[" * 100_000, 400, "too deeply"),
        (b'{"prompt": "hello"}', 400, "model"),
        (b'{"model": "other"}', 404, "no model 'other'; there is chat"),
    ],
)
async def test_what_cannot_be_served_is_refused(body: bytes, status: int, said: str) -> None:
    async with rig() as router:
        seen = await Client(body, asyncio.Event()).post(router.gateway)
        assert (seen.status, said in json.loads(seen.content)["error"]["message"]) == (status, True)
        assert router.counts() == {}


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async with rig() as router:
        client = Client(b"", asyncio.Event(), [(b"content-length", b"1000000000")])
        assert (await client.post(router.gateway)).status == 413
        assert (client.asked, client.answered[b"connection"]) == (False, b"close")


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with rig(limits=replace(LIMITS, body_s=0.01)) as router:
        client = Client(b"", asyncio.Event())
        client.asked = True
        assert (await client.post(router.gateway)).status == 408


# --- holding -----------------------------------------------------------------------------------------------------


async def test_requests_are_held_until_a_replica_comes() -> None:
    async with listening(Engine()) as url, rig() as router:
        asking = [asyncio.create_task(router.ask()) for _ in range(3)]
        while router.chat.held < 3:
            await asyncio.sleep(0.01)
        assert router.woken == [("chat", 1), ("chat", 2), ("chat", 3)]
        router.rotate(url)
        assert {client.status for client in await asyncio.gather(*asking)} == {200}
        assert router.counts() == {"arrived": 3, "ended": 3, "attained": 3}


async def test_who_is_held_too_long_is_told_when_to_come_again() -> None:
    async with rig(limits=replace(LIMITS, hold_s=0.01)) as router:
        seen = await router.ask()
        assert (seen.status, seen.answered[b"retry-after"]) == (503, b"5")
        assert router.counts() == {"arrived": 1, "ended": 1, "rejected": 1}


async def test_no_more_are_held_than_may_be() -> None:
    engine, leave = Engine("endless"), asyncio.Event()
    limits = replace(LIMITS, held=1, in_flight=1)
    async with listening(engine) as url, rig(limits=limits) as router:
        asking = [asyncio.create_task(router.ask(leave, stream=True))]
        while not router.chat.held:
            await asyncio.sleep(0.01)
        assert (await router.ask()).status == 503
        router.rotate(url)
        asking.append(asyncio.create_task(router.ask(leave)))
        while not router.chat.held:
            await asyncio.sleep(0.01)
        seen = await router.ask()
        assert (seen.status, seen.answered[b"retry-after"]) == (429, b"1")
        leave.set()
        await asyncio.gather(*asking)


async def test_a_replica_that_drains_ends_what_it_has_and_gets_no_more() -> None:
    old, new = Engine("stream"), Engine()
    async with listening(old) as first, listening(new) as second, rig([first]) as router:
        asking = asyncio.create_task(router.ask(stream=True))
        while not router.chat.loads["r0"].running:
            await asyncio.sleep(0.01)
        router.rotate(second)
        assert [(await router.ask()).status for _ in range(3)] == [200] * 3
        old.go_on.set()
        assert (await asking).content.endswith(b"data: [DONE]\n\n")
        assert (len(old.asked), len(new.asked)) == (1, 3)


async def test_another_configuration_takes_effect_at_once_and_keeps_the_counts() -> None:
    async with listening(Engine()) as url, rig([url]) as router:
        await router.ask()
        router.gateway.configure(spec(replace(LIMITS, body_bytes=10), "sal"))
        assert (await router.ask()).status == 413
        assert (router.chat.spec.policy, router.chat.counts.ended, list(router.chat.loads)) == ("sal", 1, ["r0"])
