"""Engines that misbehave on demand, on loopback ports, and clients that do: what a router lives among."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.replica import Replica, Tier
from runtime.router.gateway import Gateway
from runtime.router.service import Service
from runtime.router.spec import Limits, Promise, RoutedService, RouterSpec
from runtime.router.upstream import Upstream
from tests.runtime.simulated.fleets import POOL

EVENT = b'data: {"choices": [{"text": " tok"}]}\n\n'
FLOOD = b"x" * 65536
FLOODS = 1000
LIMITS = Limits(out_s=0.05, hold_s=20.0)


@dataclass
class Engine:
    """Answers as it is told: ``whole``, ``stream``, ``cut`` (after two events), ``cut-whole``, ``early-error``,
    ``endless``, ``flood`` or a status.
    """

    does: str | int = "whole"
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)
    pieces: int = 0
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        content = b""
        while (message := await receive()).get("more_body"):
            content += message["body"]
        self.asked.append(json.loads(content + message["body"]))
        self.headers.append(dict(scope["headers"]))
        working = asyncio.create_task(self._answer(send))
        leaving = asyncio.create_task(self._left(receive))
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            self.aborted.set()
        leaving.cancel()

    async def _left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _answer(self, send: Send) -> None:
        async def piece(content: bytes, more: bool = True) -> None:
            self.pieces += 1
            await send({"type": "http.response.body", "body": content, "more_body": more})

        status = self.does if isinstance(self.does, int) else 200
        kind = b"application/json" if status != 200 or self.does in ("whole", "cut-whole") else b"text/event-stream"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        match self.does:
            case "stream":
                await piece(EVENT)
                await self.go_on.wait()
                await piece(EVENT * 3)
                await piece(b"data: [DONE]\n\n", more=False)
            case "cut":
                await piece(EVENT * 2)
            case "cut-whole":
                await piece(b'{"usage": ')
            case "early-error":
                await piece(b'data: {"error": {"message": "the engine died"}}\n\n', more=False)
            case "endless":
                await piece(EVENT)
                await asyncio.Event().wait()
            case "flood":
                for _ in range(FLOODS):
                    await piece(FLOOD)
                    await asyncio.sleep(0)  # a connection that is closed takes everything without a word
                await piece(b"", more=False)
            case _:
                await piece(json.dumps({"said": status, "usage": {"completion_tokens": 7}}).encode(), more=False)


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The application on a free loopback port, by HTTPS where there is a context; gives its address."""
    factory = (lambda _config, _default: tls) if tls else None
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1, ssl_context_factory=factory)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def hanging_up() -> AsyncIterator[str]:
    """Takes a connection, waits for a request and closes without a word."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def replica(name: str, url: str, **changed: Any) -> Replica:
    """An active replica of the test pool."""
    return replace(Replica(name, "chat", "pool", Tier.ACTIVE, None, 0.0, url, "node", ()), **changed)


def spec(limits: Limits = LIMITS, policy: str = "round-robin", **more: Any) -> RouterSpec:
    """One service, chat, on the test pool; ``more`` of it where a test needs more."""
    return RouterSpec((RoutedService("chat", {"pool": POOL}, Promise(20.0, 0.0, 1.0), policy, **more),), limits)


@dataclass
class Rig:
    """A gateway over these addresses, and whom it woke."""

    gateway: Gateway
    woken: list[tuple[str, int]]

    @property
    def chat(self) -> Service:
        return self.gateway.services["chat"]

    def rotate(self, *urls: str) -> None:
        """These are in rotation, named r0, r1 and so on."""
        self.gateway.rotate([replica(f"r{i}", url) for i, url in enumerate(urls)])

    async def ask(self, leave: asyncio.Event | None = None, headers: Sequence[str] = (), **body: Any) -> Client:
        """Ask for a completion, as a client that leaves once ``leave`` is set; headers as ``name: value``."""
        content = json.dumps({"model": "chat", "prompt": "hello", **body}).encode()
        parts = [header.encode().partition(b": ") for header in headers]
        client = Client(content, leave or asyncio.Event(), [(name, value) for name, _, value in parts])
        return await client.post(self.gateway)

    def counts(self) -> dict[str, int]:
        """What was counted, without the zeros."""
        counts = self.chat.counts
        return {name: getattr(counts, name) for name in counts.__slots__ if getattr(counts, name)}


@contextlib.asynccontextmanager
async def rig(urls: Sequence[str] = (), limits: Limits = LIMITS, policy: str = "round-robin") -> AsyncIterator[Rig]:
    """A gateway over replicas at these addresses."""
    woken: list[tuple[str, int]] = []
    clock = asyncio.get_running_loop().time
    http = Upstream()
    made = Rig(Gateway(spec(limits, policy), http, clock, lambda *told: woken.append(told)), woken)
    made.rotate(*urls)
    yield made
    http.close()


@dataclass
class Client:
    """One POST straight into the gateway, and what came of it."""

    body: bytes
    leave: asyncio.Event
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    stuck: bool = False
    status: int = 0
    answered: dict[bytes, bytes] = field(default_factory=dict)
    content: bytes = b""
    whole: bool = False
    asked: bool = False

    async def post(self, gateway: Gateway, path: str = "/v1/completions") -> Client:
        await gateway.post({"type": "http", "path": path, "headers": self.headers}, self.receive, self.send)
        return self

    async def receive(self) -> Message:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.answered = message["status"], dict(message["headers"])
            return
        self.content += message.get("body", b"")
        self.whole = not message.get("more_body", False)
        if self.stuck and self.content:
            await asyncio.Event().wait()
