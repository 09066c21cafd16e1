"""A simulated fleet behind HTTP, for tests: with time driven by hand, or served on a loopback port as it really is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from starlette.types import Message, Scope

from runtime.simulated.live import LiveWorld
from runtime.simulated.server import create_app
from runtime.simulated.world import World
from tests.runtime.router.hosts import listening

T = TypeVar("T")

TICK_S = 1 / 64
"""A quarter of a step of the test pool, and exact in binary."""


class Driven:
    """A fleet whose time passes only in ``during``, a tick after the other, so that every time is exact."""

    def __init__(self, world: World, speed: float = 1.0) -> None:
        self.world = world
        self.live = LiveWorld(world, speed)
        self.app = create_app(self.live)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://fleet")

    async def during(self, work: Coroutine[Any, Any, T], most_s: float = 1000.0) -> T:
        """Let time pass until ``work`` is done; fails after so many virtual seconds."""
        task = asyncio.ensure_future(work)
        end_s = self.world.now_s + most_s
        await _settle()
        while not task.done():
            assert self.world.now_s < end_s, "it takes too long"
            self.live.advance(self.live.pacer.wall_s + TICK_S)
            await _settle()
        return task.result()

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Post while time passes."""
        return await self.during(self.http.post(path, json=body))

    async def stream(self, path: str, body: dict[str, Any], leave_after: int | None = None) -> Stream:
        """Ask for a stream while time passes; the client leaves after so many chunks, before the answer if zero."""
        stream = Stream(self.world, {**body, "stream": True}, leave_after)
        await self.during(self.app(_scope(path), stream.receive, stream.send))
        return stream


async def _settle() -> None:
    """Let everybody who can go on do so; an answer passes a dozen awaits on its way."""
    for _ in range(30):
        await asyncio.sleep(0)


def _scope(path: str) -> Scope:
    headers = [(b"content-type", b"application/json"), (b"host", b"fleet")]
    common = {"query_string": b"", "headers": headers, "server": ("fleet", 80), "scheme": "http", "root_path": ""}
    return {"type": "http", "method": "POST", "path": path, "asgi": {"version": "3.0", "spec_version": "2.3"}, **common}


@dataclass
class Stream:
    """What a client of a stream saw: each event with the virtual time at which it was sent."""

    world: World
    body: dict[str, Any]
    leave_after: int | None
    status: int = 0
    sent: list[tuple[float, str]] = field(default_factory=list)
    asked: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        if not self.asked:
            self.asked = True
            if self.leave_after == 0:
                self.gone.set()
            return {"type": "http.request", "body": json.dumps(self.body).encode(), "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            self.sent.append((self.world.now_s, message["body"].decode()))
            if len(self.sent) == self.leave_after:
                self.gone.set()

    @property
    def times(self) -> list[float]:
        """When each event was sent, virtual seconds."""
        return [at_s for at_s, _ in self.sent]

    @property
    def events(self) -> list[Any]:
        """The events, decoded; ``[DONE]`` as it is."""
        payloads = [text.removeprefix("data: ").strip() for _, text in self.sent]
        return [p if p == "[DONE]" else json.loads(p) for p in payloads]


@contextlib.asynccontextmanager
async def served(world: World, speed: float) -> AsyncIterator[str]:
    """The fleet on a free loopback port, its time running; gives its address."""
    async with listening(create_app(LiveWorld(world, speed))) as url:
        yield url
