"""HTTP/1.1 to replicas, as little of it as engines speak: one POST, its status and headers, its body as it comes.

A general client spent more on a request than everything else here together, most of it on parsing each piece of a
stream twice. Promises: connections are used again only after a body was read to its end; one read of at most
``PIECE_BYTES`` is in memory at a time; closing an answer early closes its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from runtime.router.chunks import Chunks
from runtime.router.patience import Patience

PIECE_BYTES = 65536
MOST_IDLE = 256
KEEP_ALIVE_S = 4.0
"""Engines close idle connections after five seconds; a request sent on one that is just closing would be lost."""

Headers = tuple[tuple[bytes, bytes], ...]


class Unreachable(Exception):
    """No connection: the request was not sent."""


class Broken(Exception):
    """The connection ended, fell silent or made no sense after the request was sent."""


@dataclass(slots=True)
class Connection:
    """One to a replica; ``idle_since_s`` in the event loop's time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since_s: float = 0.0


@dataclass(slots=True)
class Answered:
    """An answer whose head was read; header names are in lower case."""

    status: int
    headers: Headers
    connection: Connection
    read_s: float
    idle: list[Connection]
    ended: bool = False

    def header(self, name: bytes) -> bytes:
        """A header, empty where there is none."""
        return next((value for key, value in self.headers if key == name), b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises ``Broken``."""
        length = self.header(b"content-length")
        silence = Patience(self.read_s, self._silent)
        try:
            if self.status == 204:
                source = self._exactly(0, silence)
            elif self.header(b"transfer-encoding").lower() == b"chunked":
                source = self._chunks(silence)
            elif length.isdigit():
                source = self._exactly(int(length), silence)
            else:
                source = self._until_closed(silence)
            async for piece in source:
                yield piece
        finally:
            silence.close()

    def close(self) -> None:
        """Done with it: the connection is kept if nothing of the answer is left in it."""
        if self.ended and self.header(b"connection").lower() != b"close" and len(self.idle) < MOST_IDLE:
            self.connection.idle_since_s = asyncio.get_running_loop().time()
            self.idle.append(self.connection)
        else:
            self.connection.writer.transport.abort()

    async def _chunks(self, silence: Patience) -> AsyncIterator[bytes]:
        chunks = Chunks()
        while not chunks.ended:
            data = await self._read(PIECE_BYTES, silence)
            if not data:
                raise Broken("closed in the middle")
            try:
                piece = chunks.feed(data)
            except ValueError as error:
                raise Broken(str(error)) from None
            if piece:
                yield piece
        self.ended = not chunks.rest

    async def _exactly(self, size: int, silence: Patience) -> AsyncIterator[bytes]:
        while size:
            piece = await self._read(min(size, PIECE_BYTES), silence)
            if not piece:
                raise Broken("closed in the middle")
            size -= len(piece)
            yield piece
        self.ended = True

    async def _until_closed(self, silence: Patience) -> AsyncIterator[bytes]:
        while piece := await self._read(PIECE_BYTES, silence):
            yield piece

    async def _read(self, most: int, silence: Patience) -> bytes:
        silence.begin()
        try:
            return await self.connection.reader.read(most)
        except (OSError, TimeoutError) as error:
            raise Broken(type(error).__name__) from None
        finally:
            silence.rest()

    def _silent(self) -> None:
        self.connection.reader.set_exception(TimeoutError())


@dataclass(slots=True)
class Upstream:
    """Connections to all replicas."""

    idle: dict[str, list[Connection]] = field(default_factory=dict)

    async def post(self, url: str, headers: Headers, body: bytes, connect_s: float, read_s: float) -> Answered:
        """Send it and read the head of the answer; raises ``Unreachable`` or ``Broken``."""
        parts = urlsplit(url)
        idle = self.idle.setdefault(parts.netloc, [])
        connection = _kept(idle) or await _connect(parts, connect_s)
        try:
            connection.writer.writelines((_head(parts, headers, len(body)), body))
            status, found = _parsed(await _until(connection.reader, b"\r\n\r\n", read_s))
        except BaseException:
            connection.writer.transport.abort()
            raise
        return Answered(status, found, connection, read_s, idle)

    def close(self) -> None:
        """Close all that are idle."""
        for idle in self.idle.values():
            while idle:
                idle.pop().writer.transport.abort()


def _kept(idle: list[Connection]) -> Connection | None:
    """The connection used last that is still good; those that are not are closed."""
    now_s = asyncio.get_running_loop().time()
    while idle:
        connection = idle.pop()
        fresh = now_s - connection.idle_since_s < KEEP_ALIVE_S
        if fresh and not connection.reader.at_eof() and not connection.writer.transport.is_closing():
            return connection
        connection.writer.transport.abort()
    return None


async def _connect(parts: SplitResult, connect_s: float) -> Connection:
    secure = parts.scheme == "https"
    try:
        async with asyncio.timeout(connect_s):
            port = parts.port or (443 if secure else 80)
            made = await asyncio.open_connection(parts.hostname, port, ssl=secure or None, limit=PIECE_BYTES)
    except (OSError, TimeoutError) as error:
        raise Unreachable(type(error).__name__) from None
    return Connection(*made)


def _head(parts: SplitResult, headers: Iterable[tuple[bytes, bytes]], length: int) -> bytes:
    """The request's head. Header values come from a server that has refused line breaks in them."""
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {length}\r\n".encode()]
    lines += [b"%b: %b\r\n" % header for header in headers]
    return b"".join([*lines, b"\r\n"])


def _parsed(head: bytes) -> tuple[int, Headers]:
    first, *lines = head[:-4].split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise Broken("no HTTP")
    split = (line.partition(b":") for line in lines)
    return int(rest[:3]), tuple((name.strip().lower(), value.strip()) for name, _, value in split)


async def _until(reader: asyncio.StreamReader, mark: bytes, read_s: float) -> bytes:
    try:
        async with asyncio.timeout(read_s):
            return await reader.readuntil(mark)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Broken(type(error).__name__) from None
