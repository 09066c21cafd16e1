"""Connections per origin are kept while it is read and closed when it is gone."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from collectors.transport import FORGOTTEN_AFTER, PerOrigin
from tests.collectors.pages import serving


async def test_connections_are_kept_per_origin() -> None:
    async with serving() as one, serving() as two, httpx.AsyncClient(transport=PerOrigin()) as client:
        for pages in (one, two):
            pages.bodies["/x"] = b"x"
            assert [(await client.get(pages.url("/x"))).text for _ in range(3)] == ["x", "x", "x"]
        assert (one.connections, two.connections) == (1, 1)


async def test_there_are_as_many_connections_as_requests_at_a_time() -> None:
    async with serving() as pages, httpx.AsyncClient(transport=PerOrigin()) as client:
        pages.bodies["/x"] = b"x"
        for _ in range(3):
            await asyncio.gather(*(client.get(pages.url("/x")) for _ in range(4)))
        assert pages.connections == 4


async def test_a_lane_comes_back_from_failures() -> None:
    async with serving() as pages, httpx.AsyncClient(transport=PerOrigin(), timeout=0.2) as client:
        pages.bodies |= {"/x": b"x", "/hang": None, "/cut/x": b"xxxx"}
        for path in ("/hang", "/cut/x", "/hang"):
            with pytest.raises(httpx.TransportError):
                await client.get(pages.url(path))
        assert (await client.get(pages.url("/x"))).text == "x"
        assert pages.connections == 4, "a connection that failed is not used again"


async def test_an_origin_that_is_no_longer_read_is_forgotten() -> None:
    transport = PerOrigin()
    async with serving() as gone, serving() as kept, httpx.AsyncClient(transport=transport) as client:
        for pages in (gone, kept):
            pages.bodies["/x"] = b"x"
            await client.get(pages.url("/x"))
        for _ in range(FORGOTTEN_AFTER + 1):
            await transport.next_round()
            await client.get(kept.url("/x"))
        await client.get(gone.url("/x"))
        assert (gone.connections, kept.connections) == (2, 1)
