"""Scrapes engines, exporters and the gateway directly over HTTP.

Bounded: at most ``concurrency`` requests at a time, each with a deadline from its own start, each page of
limited size. Connections are kept. Whatever goes wrong with one target is a gap with its name and leaves
the others alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from collectors.catch import Catch, wanted
from collectors.exposition import Page, parse
from collectors.observation import Scrape
from collectors.source import Target
from collectors.transport import PerOrigin

MAX_PAGE_BYTES = 16 * 1024 * 1024
"""Largest page read: a vLLM page has 50 KB, a dcgm page of 16 GPUs 200 KB."""


class Unreadable(Exception):
    """A target that answered with something that is no page of metrics."""


class DirectSource:
    """``Source`` over HTTP."""

    def __init__(self, timeout_s: float = 5.0, concurrency: int = 64) -> None:
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(concurrency)
        self._transport = PerOrigin()
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            transport=self._transport,
            headers={"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        """Everything readable at ``at_s``; the rest is gaps. In the order of targets, whoever answers
        first.
        """
        await self._transport.next_round()
        catch = Catch()
        read = await asyncio.gather(*(self._read(target) for target in targets))
        for target, page in zip(targets, read, strict=True):
            if isinstance(page, Page):
                catch.add(target, page, at_s)
            else:
                catch.miss(target, page)
        return catch.scrape(at_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, target: Target) -> Page | str:
        """The page of a target, or why there is none."""
        families = wanted(target)
        if families is None:
            return f"nobody reads {target.kind} targets of engine {target.engine}"
        try:
            async with self._slots, asyncio.timeout(self._timeout_s):
                return parse(await self._page(target.url), families)
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {self._timeout_s:g} s from {target.url}"
        except (httpx.HTTPError, httpx.InvalidURL, Unreadable) as problem:
            return f"{str(problem) or type(problem).__name__} ({target.url})"

    async def _page(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != 200:
                raise Unreadable(f"HTTP status {response.status_code}")
            page = bytearray()
            async for chunk in response.aiter_bytes():
                page += chunk
                if len(page) > MAX_PAGE_BYTES:
                    raise Unreadable(f"page is larger than {MAX_PAGE_BYTES} bytes")
        return bytes(page)
