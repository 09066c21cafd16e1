"""An engine and a client that do next to nothing, so that what lies between them can be measured.

The engine answers every POST on time: a stream of so many events so far apart, or the whole answer when the last of
them would be due. The client sends at the times it is given, whatever is still open, and notes when bytes come. Both
speak only as much HTTP/1.1 as that takes, on asyncio's own transports.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

EVENT = b'data: {"id":"cmpl-1","object":"text_completion","choices":[{"index":0,"text":" token","logprobs":null}]}\n\n'
DONE = b"data: [DONE]\n\n"
STREAMED = re.compile(rb'"stream": ?true')
CHUNKED_END = b"0\r\n\r\n"
MOST_OPEN = 4000


def chunk(content: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(content), content)


@dataclass(eq=False)
class Engine(asyncio.Protocol):
    """One connection to the engine."""

    tokens: int
    gap_s: float
    buffer: bytes = b""
    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, body = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = header(head, b"content-length")
        if len(body) < (int(length) if length else 0):
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            self.whole(json.dumps({"object": "list", "data": [{"id": "chat", "object": "model"}]}).encode())
        elif STREAMED.search(body):
            kind = b"content-type: text/event-stream; charset=utf-8"
            self.transport.write(b"HTTP/1.1 200 OK\r\n%b\r\ntransfer-encoding: chunked\r\n\r\n" % kind)
            self.event(self.tokens, asyncio.get_running_loop().time())
        else:
            loop = asyncio.get_running_loop()
            answer = {"choices": [{"text": " token" * self.tokens}], "usage": {"completion_tokens": self.tokens}}
            self.timer = loop.call_later(self.gap_s * self.tokens, self.whole, json.dumps(answer).encode())

    def event(self, left: int, due_s: float) -> None:
        """The next of so many events; those that are late make no other late."""
        if left:
            self.transport.write(chunk(EVENT))
            next_s = due_s + self.gap_s
            self.timer = asyncio.get_running_loop().call_at(next_s, self.event, left - 1, next_s)
        else:
            self.transport.write(chunk(DONE) + CHUNKED_END)

    def whole(self, content: bytes) -> None:
        """The whole answer."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(content) + content)


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header, empty where there is none."""
    _, _, rest = head.lower().partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip()


async def serve(ports: Sequence[int], tokens: int, gap_s: float) -> None:
    """Be an engine on these ports, for ever."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Engine(tokens, gap_s), "127.0.0.1", port) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds from the request to its answer's first byte of body and to its end; ``status`` 0 where it broke."""

    first_s: float
    last_s: float
    status: int


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """One connection of the client, for one request at a time."""

    buffer: bytes = b""
    sent_s: float = 0.0
    first_s: float = 0.0
    need: int | None = None
    seen: asyncio.Future[Seen] | None = None
    closed: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.end(0)

    def ask(self, request: bytes) -> asyncio.Future[Seen]:
        """Send it."""
        self.buffer, self.first_s, self.need = b"", 0.0, None
        self.seen = self.loop.create_future()
        self.sent_s = self.loop.time()
        self.transport.write(request)
        return self.seen

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.first_s:
            head, mark, body = self.buffer.partition(b"\r\n\r\n")
            if not mark or not body:
                return
            self.first_s = self.loop.time() - self.sent_s
            length = header(head, b"content-length")
            self.need = len(head) + 4 + int(length) if length else None
        done = len(self.buffer) >= self.need if self.need else self.buffer.endswith(CHUNKED_END)
        if done:
            whole = self.need is not None or DONE in self.buffer[-64:]
            self.end(int(self.buffer[9:12]) if whole else 0)

    def end(self, status: int) -> None:
        """Tell what was seen."""
        if self.seen and not self.seen.done():
            self.seen.set_result(Seen(self.first_s, self.loop.time() - self.sent_s, status))


@dataclass(slots=True)
class Client:
    """Many connections to one port."""

    port: int
    request: bytes
    idle: list[Connection] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    async def one(self) -> None:
        """One request and its answer."""
        while self.idle and self.idle[-1].closed:
            self.idle.pop()
        if self.idle:
            connection = self.idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        self.seen.append(await connection.ask(self.request))
        self.idle.append(connection)

    async def all(self, arrivals_s: Sequence[float]) -> float:
        """A request at each of these times from now on; gives the seconds until the last was answered."""
        loop, open_now = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        begin_s = loop.time()
        for at_s in arrivals_s:
            if (pause_s := begin_s + at_s - loop.time()) > 0:
                await asyncio.sleep(pause_s)
            if len(open_now) >= MOST_OPEN:
                await asyncio.wait(open_now, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self.one())
            open_now.add(task)
            task.add_done_callback(open_now.discard)
        await asyncio.gather(*open_now)
        return loop.time() - begin_s

    def close(self) -> None:
        """Hang up."""
        for connection in self.idle:
            connection.transport.abort()


def request(streamed: bool, port: int, characters: int) -> bytes:
    """A completion of a prompt that long."""
    body = json.dumps({"model": "chat", "prompt": "words " * (characters // 6), "stream": streamed}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
