"""The way of a request through the router: read, placed, sent, sent again if it must be, answered, counted.

Promise: every request that is let in is answered exactly once, with an answer of an engine or with one error that
says what happened; whose client leaves is dropped at once, here and in the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.replica import Replica
from runtime.router import prompt
from runtime.router.answer import error_body
from runtime.router.passage import Passage
from runtime.router.policies import compute_s
from runtime.router.relay import Call, ClientSlow, Done, End, Failure, Relay, forwarded
from runtime.router.service import Refused, Service
from runtime.router.spec import Limits, RouterSpec
from runtime.router.upstream import Upstream

MOST_STARTS = 2
"""How often a request may begin at a replica that then fails: more, and one bad request could take down a fleet."""

DISCARDED_BYTES = 64 * 2**20
"""How much of a body that is too large is still read: a client that writes would see a reset and not our answer."""


class ClientLeft(Exception):
    """The client is gone before its request was whole."""


@dataclass(slots=True)
class Gateway:
    """All services behind one address."""

    spec: RouterSpec
    http: Upstream
    clock: Callable[[], float]
    wake: Callable[[str, int], None]
    services: dict[str, Service] = field(default_factory=dict)
    replicas: Sequence[Replica] = ()

    def __post_init__(self) -> None:
        self.configure(self.spec)

    def configure(self, spec: RouterSpec) -> None:
        """Go on with another configuration; what is under way stays as it is."""
        self.spec = spec
        old, self.services = self.services, {}
        for routed in spec.services:
            service = old.get(routed.name) or Service(routed, spec.limits, self.clock, self.wake)
            service.spec, service.limits = routed, spec.limits
            self.services[routed.name] = service
        self.rotate(self.replicas)

    def rotate(self, replicas: Iterable[Replica]) -> None:
        """The fleet's replicas as they are now; only those that serve are sent anything."""
        self.replicas = tuple(replicas)
        for name, service in self.services.items():
            service.rotate(r for r in self.replicas if r.service == name and r.serving)

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One POST of the API, an ASGI application."""
        arrived_s = self.clock()
        try:
            content = await _read_body(scope, receive, self.spec.limits)
            body = prompt.read(content)
        except ClientLeft:
            return
        except _Unreadable as error:
            return await _refuse(error.status, str(error), {"connection": "close"})(scope, receive, send)
        except ValueError as error:
            return await _refuse(400, str(error))(scope, receive, send)
        service = self.services.get(body["model"])
        if service is None:
            known = ", ".join(self.services)
            return await _refuse(404, f"no model {body['model'][:100]!r}; there is {known}")(scope, receive, send)
        asked = prompt.asked(body, _header(scope, prompt.SESSION_HEADER.encode()))
        headers = forwarded(scope["headers"])
        call = Call(scope["path"], content, headers, asked, bool(body.get("stream")), send)
        service.counts.arrived += 1
        if not await _unless_gone(receive, self._serve(service, call, arrived_s)):
            service.counts.left += 1

    async def _serve(self, service: Service, call: Call, arrived_s: float) -> None:
        """Answer it and count how it ended."""
        counts = service.counts
        try:
            done = await self._place(service, call, arrived_s + self.spec.limits.hold_s)
        except Refused as refused:
            counts.rejected += 1
            counts.ended += 1
            retry = {"retry-after": str(refused.retry_after_s)}
            await _answer(call, _refuse(refused.status, refused.message, retry))
            return
        except ClientSlow:
            counts.left += 1
            return
        if isinstance(done, Failure):
            counts.lost += 1
            counts.ended += 1
            content = done.body or error_body(done.reason, done.status)
            await _answer(call, Response(content, done.status, media_type="application/json"))
        elif done.end is not End.REFUSED:
            counts.ended += 1
            counts.lost += done.end is End.BROKEN
            first_s = None if done.first_s is None else done.first_s - arrived_s
            size = (call.asked.input_tokens, done.output_tokens)
            kept = service.spec.promise.kept(*size, first_s, done.last_s - arrived_s)
            counts.attained += kept and done.end is End.WHOLE

    async def _place(self, service: Service, call: Call, until_s: float) -> Failure | Done:
        """Try replicas until one answers; gives the last failure where a request began too often."""
        tried: frozenset[str] = frozenset()
        starts = 0
        while True:
            passage = await service.admit(call.asked, tried, until_s)
            result = await self._attempt(service, call, passage)
            if isinstance(result, Done):
                return result
            tried |= {passage.load.name}
            starts += result.began
            if starts >= MOST_STARTS or (result.began and not result.broken and not service.untried(tried)):
                return result
            service.counts.retried += 1

    async def _attempt(self, service: Service, call: Call, passage: Passage) -> Failure | Done:
        relay = Relay(self.http, service.limits, self.clock)
        if not call.streamed:
            # Nobody tells when the first token of a whole answer is there; the step-time law says when it ought to be.
            asyncio.get_running_loop().call_later(compute_s(passage.load, 0), passage.begin)
        try:
            result = await relay.attempt(call, passage)
            # Before its place is free, or whoever waits would be sent to a replica that is known to be broken.
            if isinstance(result, Failure):
                service.failed(passage.load, result.broken)
            else:
                service.succeeded(passage.load)
            return result
        finally:
            service.end(passage)


class _Unreadable(Exception):
    """A body that is too large or too slow."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """The whole body; raises ``_Unreadable``. One that is too large is read on and thrown away, up to a bound."""
    too_large = _Unreadable(413, f"the body is larger than {limits.body_bytes} bytes")
    most = limits.body_bytes + DISCARDED_BYTES
    declared = _header(scope, b"content-length") or ""
    if declared.isdecimal() and int(declared[:20]) > most:
        raise too_large
    content, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                size += len(piece)
                if size <= limits.body_bytes:
                    content += piece
                else:
                    content.clear()
                if size > most or (size > limits.body_bytes and not message.get("more_body")):
                    raise too_large
                if not message.get("more_body"):
                    return bytes(content)
    except TimeoutError:
        raise _Unreadable(408, f"the body did not come within {limits.body_s:g} s") from None


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _refuse(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body(message, status), status, headers, media_type="application/json")


async def _answer(call: Call, response: Response) -> None:
    """Send an answer of our own."""
    headers = response.raw_headers
    await call.answer({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await call.answer({"type": "http.response.body", "body": response.body})


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or stop it the moment the client is gone; gives whether it was done."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
