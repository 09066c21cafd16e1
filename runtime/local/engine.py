"""One vLLM server over HTTP: does it answer, what is it doing, put it to sleep and wake it.

Promises: a server is believed ready only after it has completed a prompt; every call ends within its time; whatever
goes wrong on the way is an ``EngineError`` of one line.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import httpx

from runtime.local.spec import Sleep

GOLDEN_PROMPT = "The quick brown fox jumps over the lazy dog, and then"
GOLDEN_TOKENS = 16

REQUESTS = ("vllm:num_requests_running", "vllm:num_requests_waiting")
TOKENS = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
"""What grows whenever an engine does anything."""


class EngineError(Exception):
    """The engine did not do what it was asked, in one line."""


@dataclass(frozen=True, slots=True)
class Doing:
    """Requests running and waiting, and tokens read and written since its start."""

    requests: int
    tokens: float


class Engine:
    """The server at ``base_url`` that serves ``service``. The client is shared and is not closed here."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, service: str) -> None:
        self.base_url = base_url
        self._http = http
        self._service = service

    async def answer(self, within_s: float) -> None:
        """Complete a prompt by one token."""
        await self._complete("Ready", 1, within_s)

    async def golden(self, within_s: float) -> tuple[int, ...]:
        """The likeliest tokens after the golden prompt: equal as long as the weights are."""
        choice = await self._complete(GOLDEN_PROMPT, GOLDEN_TOKENS, within_s)
        try:
            return tuple(int(token) for token in choice["token_ids"])
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"{self.base_url}: a completion without token_ids") from error

    async def healthy(self, within_s: float) -> None:
        """Whether the HTTP server answers; it does while the engine sleeps."""
        await self._call("GET", "/health", within_s)

    async def doing(self, within_s: float) -> Doing:
        """From ``/metrics``, summed over engines."""
        page = (await self._call("GET", "/metrics", within_s)).text
        return Doing(round(sum(_sum(page, name) for name in REQUESTS)), sum(_sum(page, name) for name in TOKENS))

    async def asleep(self, sleep: Sleep, within_s: float) -> bool:
        """Whether it sleeps, in the way this pool does."""
        if sleep is Sleep.NONE:
            return False
        name = "is_paused" if sleep is Sleep.PAUSE else "is_sleeping"
        said = _json(await self._call("GET", f"/{name}", within_s))
        if not isinstance(said.get(name), bool):
            raise EngineError(f"{self.base_url}/{name}: {said} does not say whether")
        return bool(said[name])

    async def sleep(self, sleep: Sleep, within_s: float) -> None:
        """Put it to sleep. Requests that came meanwhile are finished first (``mode=wait``), never aborted."""
        if sleep is Sleep.PAUSE:
            await self._call("POST", "/pause", within_s, mode="wait")
        else:
            await self._call("POST", "/sleep", within_s, level="2" if sleep is Sleep.LEVEL2 else "1", mode="wait")
        if not await self.asleep(sleep, within_s):
            raise EngineError(f"{self.base_url}: said that it sleeps, and does not ({sleep})")

    async def wake(self, sleep: Sleep, golden: tuple[int, ...], within_s: float) -> None:
        """Wake it and have it answer. After level 2, which drops the weights, they are loaded again and must say what
        they said: an engine without its weights answers as readily, in gibberish.
        """
        if sleep is Sleep.PAUSE:
            await self._call("POST", "/resume", within_s)
        else:
            await self._call("POST", "/wake_up", within_s)
        if sleep is Sleep.LEVEL2:
            await self._call("POST", "/collective_rpc", within_s, body={"method": "reload_weights"})
            await self._call("POST", "/reset_prefix_cache", within_s)
            if (said := await self.golden(within_s)) != golden:
                raise EngineError(f"{self.base_url}: after waking it says {said[:4]}…, it said {golden[:4]}…")
        else:
            await self.answer(within_s)

    async def _complete(self, prompt: str, tokens: int, within_s: float) -> dict[str, Any]:
        asked = {"model": self._service, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        response = await self._call("POST", "/v1/completions", within_s, body={**asked, "return_token_ids": True})
        try:
            choice: dict[str, Any] = _json(response)["choices"][0]
        except (KeyError, IndexError, TypeError) as error:
            raise EngineError(f"{self.base_url}: a completion without choices") from error
        return choice

    async def _call(self, method: str, path: str, within_s: float, body: object = None, **query: str) -> httpx.Response:
        url = self.base_url + path
        try:
            async with asyncio.timeout(within_s):  # httpx bounds each read, this all of them together
                response = await self._http.request(method, url, json=body, params=query or None, timeout=within_s)
            return response.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise EngineError(f"{url}: status {error.response.status_code}: {error.response.text[:200]!r}") from error
        except TimeoutError as error:
            raise EngineError(f"{url}: no answer within {within_s:g} s") from error
        except httpx.HTTPError as error:
            raise EngineError(f"{url}: {error} ({type(error).__name__})") from error


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError as error:
        raise EngineError(f"{response.url}: the answer is no JSON") from error
    if not isinstance(said, dict):
        raise EngineError(f"{response.url}: the answer is no JSON object")
    return said


def _sum(page: str, name: str) -> float:
    """A metric summed over its series; raises EngineError where there is none, which is not the same as 0."""
    values = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)
    if not values:
        raise EngineError(f"/metrics has no {name}")
    return sum(float(value) for value in values)
