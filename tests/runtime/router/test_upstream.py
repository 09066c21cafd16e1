"""Answers are read however an engine frames them, and nothing that is no answer is taken for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.router.upstream import Broken, Unreachable, Upstream

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def saying(*answers: bytes, stay: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers each request with the next of these, and closes after the last unless told to stay."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
            writer.write(answer)
        if stay:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


async def post(upstream: Upstream, url: str, read_s: float = 5.0) -> tuple[int, bytes]:
    answered = await upstream.post(f"{url}/v1/completions", ((b"x-a", b"1"),), b"{}", 5.0, read_s)
    try:
        return answered.status, b"".join([piece async for piece in answered.pieces()])
    finally:
        answered.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nt: 1\r\n\r\n", b"hello"),
        (OK + b"\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_every_framing(answer: bytes, body: bytes) -> None:
    async with saying(answer) as (url, heard):
        assert (await post(Upstream(), url))[1] == body
    assert heard[0].startswith(b"POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nx-a: 1\r\n" in heard[0] and heard[0].endswith(b"\r\n\r\n{}")


async def test_a_connection_serves_again() -> None:
    answer = OK + b"Content-Length: 2\r\n\r\nok"
    async with saying(answer, answer, stay=True) as (url, heard):
        upstream = Upstream()
        assert [await post(upstream, url) for _ in range(2)] == [(200, b"ok")] * 2
        (kept,) = upstream.idle.values()
        assert (len(heard), len(kept)) == (2, 1)
        upstream.close()
        assert not kept


async def test_a_connection_that_was_closed_meanwhile_does_not() -> None:
    async with saying(OK + b"Content-Length: 2\r\n\r\nok") as (url, heard):
        upstream = Upstream()
        await post(upstream, url)
        (kept,) = upstream.idle.values()
        while not kept[0].reader.at_eof():
            await asyncio.sleep(0.01)
        assert (await post(upstream, url), len(heard)) == ((200, b"ok"), 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0\r\n\r\n",
        OK,
        OK + b"a: " + b"b" * 200_000 + b"\r\n\r\n",
        OK + b"content-length: 9\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"transfer-encoding: chunked\r\n\r\nmany\r\nhello",
    ],
)
async def test_what_is_no_answer_is_broken(answer: bytes) -> None:
    async with saying(answer) as (url, _):
        with pytest.raises(Broken):
            await post(Upstream(), url)


async def test_a_silence_is_broken_and_nobody_is_unreachable() -> None:
    async with saying(OK, stay=True) as (url, _):
        with pytest.raises(Broken, match="TimeoutError"):
            await post(Upstream(), url, read_s=0.01)
    with pytest.raises(Unreachable):
        await post(Upstream(), "http://127.0.0.1:1")
