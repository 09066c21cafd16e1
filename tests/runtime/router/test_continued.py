"""A stream whose replica is lost goes on at another, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.runtime.router.author import PROMPT, STORY, Author, View
from tests.runtime.router.hosts import LIMITS, Client, Rig, rig

ASKED: dict[str, Any] = {"prompt": PROMPT, "max_tokens": 100, "stream": True, "stream_options": {"include_usage": True}}
WHOLE_USAGE = {"prompt_tokens": 3, "completion_tokens": 21, "total_tokens": 24}
ERROR = b'data: {"error": {"message": "the engine died", "code": 500}}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
REFUSAL = b"unknown field return_token_ids"
REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)


@dataclass
class Mortal:
    """Writes the story on a port; of its answers one after the other only such parts, before it hangs up (a list of
    them may be shared). ``says`` is what it says then, ``strict`` whether it refuses to be asked for ids.
    """

    cuts: list[float] = field(default_factory=list)
    says: bytes = b""
    strict: bool = False
    author: Author = field(default_factory=Author)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        body = json.loads(await reader.readexactly(int(length.split()[1])))
        if self.strict and "return_token_ids" in body:
            writer.write(REFUSED)
            return writer.close()
        stream = self.author.stream(head.split()[1].decode(), body)
        cut = self.cuts.pop(0) if self.cuts else 1.0
        content = stream[: round(cut * len(stream))]
        content = content[: content.rindex(b"\n\n") + 2] if self.says else content
        if cut:
            writer.write(HEAD)
            for piece in [content[at : at + 700] for at in range(0, len(content), 700)] + [self.says] * (cut < 1):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
                await writer.drain()
        writer.write(b"0\r\n\r\n" if cut == 1.0 else b"")
        writer.close()


@contextlib.asynccontextmanager
async def mortals(*there: Mortal, **limits: Any) -> AsyncIterator[Rig]:
    """A router over these, asked in turn."""
    async with AsyncExitStack() as stack:
        urls = []
        for mortal in there:
            server = await stack.enter_async_context(await asyncio.start_server(mortal.talk, "127.0.0.1", 0))
            urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        # Round-robin begins with the second.
        yield await stack.enter_async_context(rig([*urls[-1:], *urls[:-1]], replace(LIMITS, **limits)))


def settled(router: Rig) -> bool:
    return all(load.requests == load.kv_tokens == load.in_flight_tokens == 0 for load in router.chat.loads.values())


@pytest.mark.parametrize("cut", [0.003, 0.2, 0.5, 0.77, 0.93])
async def test_a_client_sees_one_stream(cut: float) -> None:
    first, second = Mortal([cut], author=Author(name="first")), Mortal()
    async with mortals(first, second) as router:
        seen = await router.ask(**ASKED)
        view = View.of(seen.content)
        assert (view.text, view.reasons, view.usage, view.done) == (STORY, ["stop"], [WHOLE_USAGE], 1)
        assert (seen.whole, len(second.author.asked), settled(router)) == (True, 1, True)
        assert router.counts() == {"arrived": 1, "ended": 1, "attained": 1, "continued": 1}


async def test_a_chat_too() -> None:
    body = {**ASKED, "model": "chat", "messages": [{"role": "user", "content": PROMPT}]}
    async with mortals(Mortal([0.5]), Mortal()) as router:
        client = Client(json.dumps(body).encode(), asyncio.Event())
        view = View.of((await client.post(router.gateway, "/v1/chat/completions")).content)
        assert (view.text, view.roles, view.reasons, view.usage) == (STORY, 1, ["stop"], [WHOLE_USAGE])


async def test_whatever_lacks_only_its_end_is_ended_here() -> None:
    second = Mortal()
    async with mortals(Mortal([0.97]), second) as router:
        view = View.of((await router.ask(**ASKED)).content)
        assert (view.text, view.usage, view.done, second.author.asked) == (STORY, [WHOLE_USAGE], 1, [])
        assert router.counts() == {"arrived": 1, "ended": 1, "attained": 1}


@pytest.mark.parametrize("times", [1, 2])
async def test_replicas_that_die_one_after_the_other(times: int) -> None:
    cuts, author = [0.4, 0.5], Author()
    async with mortals(*(Mortal(cuts, author=author) for _ in range(3)), continue_streams=times) as router:
        seen = await router.ask(**ASKED)
        if times == 2:
            assert View.of(seen.content).text == STORY
            assert router.counts() == {"arrived": 1, "ended": 1, "attained": 1, "continued": 1}
        else:
            assert b'data: {"error"' in seen.content and b"[DONE]" not in seen.content and seen.whole
            assert (router.counts(), len(author.asked)) == ({"arrived": 1, "ended": 1, "lost": 1}, 2)


async def test_nobody_else_comes() -> None:
    async with mortals(Mortal([0.5]), hold_s=0.2, out_s=30.0) as router:
        seen = await router.ask(**ASKED)
        assert seen.content.rpartition(b"\n\ndata: ")[2].startswith(b'{"error"')
        assert (seen.whole, router.chat.held) == (True, 0)
        assert router.counts() == {"arrived": 1, "ended": 1, "lost": 1}


async def test_it_waits_for_whoever_comes() -> None:
    async with mortals(Mortal([0.5]), out_s=30.0) as router, mortals(Mortal()) as other:
        asking = asyncio.create_task(router.ask(**ASKED))
        while not router.chat.held:
            await asyncio.sleep(0.01)
        router.rotate("http://127.0.0.1:1", other.chat.loads["r0"].base_url)
        assert View.of((await asking).content).text == STORY


async def test_a_client_that_leaves_while_it_waits() -> None:
    leave = asyncio.Event()
    async with mortals(Mortal([0.5]), out_s=30.0) as router:
        asking = asyncio.create_task(router.ask(leave, **ASKED))
        while not router.chat.held:
            await asyncio.sleep(0.01)
        leave.set()
        await asking
        assert (router.counts(), router.chat.held, settled(router)) == ({"arrived": 1, "left": 1}, 0, True)


async def test_an_engine_that_says_that_it_died() -> None:
    there = Mortal([0.4], says=ERROR), Mortal()
    async with mortals(*there) as router:
        assert View.of((await router.ask(**ASKED)).content).text == STORY


async def test_the_second_that_says_so_is_believed() -> None:
    cuts, author = [0.4, 0.5], Author()
    async with mortals(*(Mortal(cuts, ERROR, author=author) for _ in range(3)), continue_streams=3) as router:
        seen = await router.ask(**ASKED)
        assert (seen.content.endswith(ERROR), len(author.asked)) == (True, 2)
        assert router.counts() == {"arrived": 1, "ended": 1, "lost": 1}


async def test_a_request_that_breaks_whoever_goes_on_breaks_no_more_than_two() -> None:
    cuts, author = [0.4, 0.0, 0.0], Author()
    async with mortals(*(Mortal(cuts, author=author) for _ in range(4)), continue_streams=3) as router:
        assert b'data: {"error"' in (await router.ask(**ASKED)).content
        assert len(author.asked) == 3


async def test_engines_that_know_no_ids_go_on_by_text() -> None:
    there = Mortal([0.5], strict=True), Mortal(strict=True)
    async with mortals(*there) as router:
        assert View.of((await router.ask(**ASKED)).content).text == STORY
        assert all(load.strict and load.failures <= 1 for load in router.chat.loads.values())
        assert there[1].author.asked[0][1]["prompt"].startswith(PROMPT + " once")


async def test_what_cannot_go_on_ends_with_an_error() -> None:
    second = Mortal()
    async with mortals(Mortal([0.5]), second) as router:
        seen = await router.ask(**ASKED, n=2)
        assert (b'data: {"error"' in seen.content, second.author.asked) == (True, [])
