"""The API server over HTTP, in plain JSON: a model object for every field of two thousand pods would cost seconds.

Promises: what the server refuses is a ``KubeError`` of one line; the server's throttling and our own rate limit are
kept by all calls together; every call is counted; nothing is written while ``may_write`` says no.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import httpx

from runtime.clock import Clock
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.errors import KubeError, TooManyRequests, Unauthorized, Unavailable, Unreachable, error_of
from runtime.kubernetes.resource import Place
from runtime.kubernetes.throttle import Throttle

Json = dict[str, Any]

AGENT = "leadtime/0.1"
"""The part before the slash becomes our name as field manager."""

MERGE = "application/merge-patch+json"
OPERATIONS = "application/json-patch+json"

TOKEN_S = 30.0
"""How long a token is believed; service account tokens are replaced on disk long before they expire."""

VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
STRICT = {"fieldValidation": "Strict"}
"""Without it a misspelt field is dropped in silence."""


class NotLeading(Exception):
    """A write was about to happen while somebody else may be the one who writes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls a second that we allow ourselves, and at once (each on a connection of its own, watches apart), how often a
    throttled call is repeated, and when an answer is overdue.
    """

    rate_per_s: float = 50.0
    burst: int = 100
    at_once: int = 16
    repeats: int = 4
    timeout_s: float = 15.0
    pause_s: float = 1.0
    pause_max_s: float = 30.0


class Api:
    """One API server, as one identity."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        limits: Limits | None = None,
        *,
        may_write: Callable[[], bool] = lambda: True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.connection = connection
        self.clock = clock
        self.limits = limits or Limits()
        self.calls: Counter[tuple[str, str, int]] = Counter()
        """How often, by verb, resource and status (0: no answer)."""
        self._may_write = may_write
        self._throttle = Throttle(self.limits.rate_per_s, self.limits.burst)
        self._slots = asyncio.Semaphore(self.limits.at_once)
        self._token: str | None = None
        self._token_until_s = float("-inf")
        self._http = httpx.AsyncClient(
            base_url=connection.url,
            verify=connection.verify,
            proxy=connection.proxy,
            transport=transport,
            trust_env=False,
            timeout=self.limits.timeout_s,
            headers={"User-Agent": AGENT, "Accept": "application/json"},
            limits=httpx.Limits(max_connections=None, keepalive_expiry=60.0),
        )

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()

    def may_write(self) -> bool:
        """Whether a write may begin now; also for who writes elsewhere than to this server."""
        return self._may_write()

    # --- reading -------------------------------------------------------------------------------------------------

    async def get(self, place: Place, query: Mapping[str, str] | None = None, *, urgent: bool = False) -> Json:
        """An object, or a list of them."""
        return await self._call("GET", place, query, urgent=urgent)

    async def page(self, path: str) -> httpx.Response:
        """What is no resource, such as ``/version``, as it was answered; asked for once. Raises KubeError."""
        try:
            answer = await self._http.get(path, headers=await self._headers(), extensions=self._extensions())
        except httpx.TransportError as error:
            raise Unreachable(f"GET {path}: no answer ({error or type(error).__name__})") from error
        if answer.is_error:
            raise self._refusal(answer)
        return answer

    async def watch(self, place: Place, query: Mapping[str, str], silence_s: float) -> AsyncIterator[Json]:
        """Events as they come, until the server ends the stream. The first item, ``{}``, says that the stream is open.

        Raises ``Unreachable`` where the connection breaks or ``silence_s`` pass without a byte.
        """
        await self._turn()
        headers = await self._headers()
        timeout = httpx.Timeout(self.limits.timeout_s, read=silence_s)
        asked = {**query, "watch": "true"}
        try:
            request = self._http.build_request(
                "GET", place.path, params=asked, headers=headers, timeout=timeout, extensions=self._extensions()
            )
            response = await self._http.send(request, stream=True)
            try:
                self.calls["watch", place.label, response.status_code] += 1
                if response.status_code != 200:
                    await response.aread()
                    raise self._refusal(response)
                yield {}
                async for line in response.aiter_lines():
                    if line:
                        yield json.loads(line)
            finally:
                await response.aclose()
        except (httpx.TransportError, json.JSONDecodeError) as error:  # a line cut off is a broken connection too
            raise Unreachable(f"watch of {place.path}: {error} ({type(error).__name__})") from error

    # --- writing -------------------------------------------------------------------------------------------------

    async def create(self, place: Place, body: Json, query: Mapping[str, str] | None = None) -> Json:
        """POST."""
        return await self._call("POST", place, {**STRICT, **(query or {})}, body)

    async def replace(self, place: Place, body: Json) -> Json:
        """PUT; with the resourceVersion that was read, or it overwrites whatever is there."""
        return await self._call("PUT", place, STRICT, body)

    async def merge(self, place: Place, body: Json, *, trial: bool = False) -> Json:
        """A merge patch, the one kind of patch that works on everything. ``None`` removes a field: on a scale's
        replicas that means 0. A ``trial`` is refused as the patch itself would be, and has no effect.
        """
        return await self._call("PATCH", place, STRICT | ({"dryRun": "All"} if trial else {}), body, MERGE)

    async def operate(self, place: Place, operations: list[Json]) -> Json:
        """A JSON patch. A ``test`` that fails is ``Invalid``."""
        return await self._call("PATCH", place, STRICT, operations, OPERATIONS)

    async def ask(self, place: Place, body: Json, *, urgent: bool = False) -> Json:
        """POST of what changes nothing for others: a review, or a Lease, which decides who may write."""
        return await self._call("POST", place, STRICT, body, fenced=False, urgent=urgent)

    async def claim(self, place: Place, body: Json) -> Json:
        """PUT of a Lease, ahead of the queue and whoever leads."""
        return await self._call("PUT", place, STRICT, body, fenced=False, urgent=True)

    # --- how -----------------------------------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str] | None = None,
        body: object = None,
        kind: str = "application/json",
        *,
        fenced: bool = True,
        urgent: bool = False,
    ) -> Json:
        async with nullcontext() if urgent else self._slots:  # who leads is asked after the wait, not before
            return await self._tried(method, place, query, body, kind, fenced=fenced, urgent=urgent)

    async def _tried(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str] | None,
        body: object,
        kind: str,
        *,
        fenced: bool,
        urgent: bool,
    ) -> Json:
        fresh = False
        for attempt in range(self.limits.repeats + 1):
            if not urgent:
                await self._turn()
            await self._headers()  # a plugin may take its time: that must be over before the lead is looked at
            if fenced and method != "GET" and not self._may_write():
                raise NotLeading(f"{VERBS[method]} {place.path}: not the leader")
            try:
                return await self._once(method, place, query, body, kind)
            except TooManyRequests as error:
                await self._pause(error, attempt)
                if attempt == self.limits.repeats:
                    raise
            except Unauthorized:
                if fresh or attempt == self.limits.repeats:
                    raise
                fresh, self._token_until_s = True, float("-inf")
        raise AssertionError("unreachable")

    async def _once(self, method: str, place: Place, query: Mapping[str, str] | None, body: object, kind: str) -> Json:
        headers = await self._headers()
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = kind
        try:
            async with asyncio.timeout(self.limits.timeout_s):  # httpx bounds each read, this all of them together
                response = await self._http.request(
                    method,
                    place.path,
                    params=dict(query or {}),
                    content=content,
                    headers=headers,
                    extensions=self._extensions(),
                )
        except (httpx.TransportError, TimeoutError) as error:
            self.calls[VERBS[method], place.label, 0] += 1
            raise Unreachable(f"{method} {place.path}: {error} ({type(error).__name__})") from error
        self.calls[VERBS[method], place.label, response.status_code] += 1
        if response.status_code >= 400:
            raise self._refusal(response)
        try:
            said: Json = response.json()
        except ValueError as error:
            raise Unavailable(f"{method} {place.path}: the answer is no JSON", response.status_code) from error
        return said

    def _refusal(self, response: httpx.Response) -> KubeError:
        try:
            body: object = response.json()
        except ValueError:
            body = response.text
        return error_of(response.status_code, body, response.headers.get("Retry-After"))

    async def _turn(self) -> None:
        now_s = await self.clock.now()
        start_s = self._throttle.take(now_s)
        if start_s > now_s:
            await self.clock.sleep_until(start_s)

    async def _pause(self, error: TooManyRequests, attempt: int) -> None:
        """Everyone waits: the server throttles us, not one call."""
        wait_s = error.retry_after_s or self.limits.pause_s * 2**attempt
        self._throttle.pause(await self.clock.now() + min(wait_s, self.limits.pause_max_s))

    async def _headers(self) -> dict[str, str]:
        now_s = await self.clock.now()
        if self.connection.token is not None and now_s >= self._token_until_s:
            self._token = await asyncio.to_thread(self.connection.token)
            self._token_until_s = now_s + TOKEN_S
        if self._token is None:
            return {}
        # A scheme is written "bearer" in one loader and "Bearer" in another; servers take both.
        return {"Authorization": self._token}

    def _extensions(self) -> dict[str, Any]:
        name = self.connection.server_name
        return {"sni_hostname": name} if name else {}
