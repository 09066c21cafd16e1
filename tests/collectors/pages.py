"""A loopback server whose pages tests decide on: good ones, and all the ways in which a network spoils them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

FIXTURE = (Path(__file__).parent / "fixtures" / "vllm-0.32-metrics.txt").read_bytes()


class Pages:
    """Bodies by path; a number is a status, None hangs, and paths under ``/cut/`` close before the body is whole."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes | int | None] = {}
        self.connections = 0
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            path = request.split()[1].decode().partition("?")[0]
            body = self.bodies.get(path, 404)
            if body is None:
                await reader.read()
                break
            status, text = (body, b"no") if isinstance(body, int) else (200, body or b"")
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)))
            writer.write(text[: len(text) // 2] if path.startswith("/cut/") else text)
            await writer.drain()
            if path.startswith("/cut/"):
                break
        writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Pages]:
    """Pages on a port of its own."""
    pages = Pages()
    server = await asyncio.start_server(pages.answer, "127.0.0.1", 0)
    pages.port = server.sockets[0].getsockname()[1]
    try:
        yield pages
    finally:
        server.close()
