"""The way of a request through the router: read, placed, sent, sent again if it must be, answered, counted.

Promise: every request that is let in is answered exactly once, with an answer of an engine or with one error that
says what happened; whose client leaves is dropped at once, here and in the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.replica import Replica
from runtime.router import prompt
from runtime.router.answer import error_body, error_event
from runtime.router.body import ClientLeft, Unreadable, header, read_body
from runtime.router.line import Claim
from runtime.router.passage import Done, End, Passage
from runtime.router.policies import compute_s
from runtime.router.relay import Call, ClientSlow, Failure, Lost, Relay, forwarded
from runtime.router.service import Refused, Service
from runtime.router.spec import RouterSpec
from runtime.router.tenants import Account, Tenants
from runtime.router.thread import Thread
from runtime.router.upstream import Upstream

MOST_STARTS = 2
"""How often a request may begin at a replica that then fails: more, and one bad request could take down a fleet."""


@dataclass(slots=True)
class Trail:
    """Where a request has been: replicas ``tried``, ``starts`` that may have been its own fault, and how often it
    ``continued`` what another had begun.
    """

    tried: frozenset[str] = frozenset()
    starts: int = 0
    continued: int = 0


@dataclass(slots=True)
class Gateway:
    """All services behind one address."""

    spec: RouterSpec
    http: Upstream
    clock: Callable[[], float]
    wake: Callable[[str, int], None]
    services: dict[str, Service] = field(default_factory=dict)
    tenants: Tenants = field(default_factory=Tenants)
    replicas: Sequence[Replica] = ()

    def __post_init__(self) -> None:
        self.configure(self.spec)

    def configure(self, spec: RouterSpec) -> None:
        """Go on with another configuration; what is under way stays as it is."""
        self.spec = spec
        old, self.services = self.services, {}
        for routed in spec.services:
            service = old.get(routed.name) or Service(routed, spec.limits, self.clock, self.wake)
            service.configure(routed, spec.limits)
            self.services[routed.name] = service
        self.tenants.configure(spec.tenancy, self.clock())
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
            content = await read_body(scope, receive, self.spec.limits)
            body = prompt.read(content)
        except ClientLeft:
            return
        except Unreadable as error:
            return await _refuse(error.status, str(error), {"connection": "close"})(scope, receive, send)
        except ValueError as error:
            return await _refuse(400, str(error))(scope, receive, send)
        service = self.services.get(body["model"])
        if service is None:
            known = ", ".join(self.services)
            return await _refuse(404, f"no model {body['model'][:100]!r}; there is {known}")(scope, receive, send)
        account = self.tenants.of(scope["headers"], arrived_s)
        try:
            call = self._call(service, scope, body, content, account, send)
        except ValueError as error:
            return await _refuse(400, str(error))(scope, receive, send)
        if over := account.enter(call.claim.tokens, arrived_s):
            told = _refuse(429, f"over the quota of {over[0]}", {"retry-after": str(over[1])})
            return await told(scope, receive, send)
        service.counts.arrived += 1
        try:
            if not await _unless_gone(receive, self._serve(service, call, arrived_s)):
                service.counts.left += 1
        finally:
            # What was reckoned with when it came in; what was really written has been counted since.
            account.spend(call.asked.input_tokens - call.claim.tokens)
            account.leave()

    def _call(
        self, service: Service, scope: Scope, body: dict[str, Any], content: bytes, account: Account, send: Send
    ) -> Call:
        """A request as it will be sent; raises ValueError for a class that there is not."""
        asked = prompt.asked(body, header(scope, prompt.SESSION_HEADER.encode()))
        level = 0
        if len(service.spec.classes) > 1:
            level = service.spec.level(header(scope, self.spec.class_header.encode()))
        tokens = asked.input_tokens + service.expected_output(asked)
        claim = Claim(account.name, account.quota.weight, level, service.size(asked), tokens)
        headers = forwarded(scope["headers"])
        thread = Thread.of(scope["path"], body, content) if self.spec.limits.continue_streams else None
        return Call(scope["path"], content, headers, asked, bool(body.get("stream")), send, claim, account, thread)

    async def _serve(self, service: Service, call: Call, arrived_s: float) -> None:
        """Answer it and count how it ended."""
        counts = service.counts
        try:
            done = await self._through(service, call, arrived_s)
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
            kept = service.spec.promised(call.claim.level).kept(*size, first_s, done.last_s - arrived_s)
            counts.attained += kept and done.end is End.WHOLE

    async def _through(self, service: Service, call: Call, arrived_s: float) -> Failure | Done:
        """Have it answered, by as many replicas one after the other as it may take."""
        trail = Trail()
        result = await self._place(service, call, trail, arrived_s + self.spec.limits.hold_s)
        if not isinstance(result, Lost):
            return result
        thread = result.thread
        while isinstance(result, Lost):
            result = await self._go_on(service, call, thread, trail)
        if result.end is End.WHOLE:
            service.counts.continued += 1
        return replace(result, first_s=thread.first_s, output_tokens=thread.written.tokens)

    async def _go_on(self, service: Service, call: Call, thread: Thread, trail: Trail) -> Done | Lost:
        """Let another replica go on; or end the stream with an error where that cannot be."""
        relay, limits = Relay(self.http, service.limits, self.clock), service.limits
        error = thread.told or error_event("the replica was lost in mid-stream")
        may = trail.continued < limits.continue_streams and trail.starts < MOST_STARTS
        result: Failure | Done | Lost | None = None
        if may and thread.go_on():
            if thread.over:
                await relay.break_off(call, thread.close())
                return Done(End.WHOLE, 0, None, self.clock())
            trail.continued += 1
            asked, left = call.asked, thread.next.left if thread.next else None
            onward = replace(asked, input_tokens=asked.input_tokens + thread.base, most_output_tokens=left)
            with contextlib.suppress(Refused):
                result = await self._place(service, replace(call, asked=onward), trail, self.clock() + limits.hold_s)
        if isinstance(result, Done | Lost):
            return result
        await relay.break_off(call, error)
        return Done(End.BROKEN, 0, None, self.clock())

    async def _place(self, service: Service, call: Call, trail: Trail, until_s: float) -> Failure | Done | Lost:
        """Try replicas until one answers; gives the last failure where a request began too often."""
        while True:
            passage = await service.admit(call.asked, call.claim, trail.tried, until_s)
            result = await self._attempt(service, call, passage)
            if isinstance(result, Done):
                return result
            trail.tried |= {passage.load.name}
            if isinstance(result, Lost):
                trail.starts += result.told
                return result
            trail.starts += result.began
            alone = not service.untried(trail.tried)
            if trail.starts >= MOST_STARTS or (result.began and not result.broken and alone):
                return result
            service.counts.retried += 1

    async def _attempt(self, service: Service, call: Call, passage: Passage) -> Failure | Done | Lost:
        relay = Relay(self.http, service.limits, self.clock)
        if not call.streamed:
            # Nobody tells when the first token of a whole answer is there; the step-time law says when it ought to be.
            asyncio.get_running_loop().call_later(compute_s(passage.load, 0), passage.begin)
        try:
            result = await relay.attempt(call, passage)
            # Before its place is free, or whoever waits would be sent to a replica that is known to be broken.
            if isinstance(result, Failure):
                service.failed(passage, result.broken)
            elif isinstance(result, Lost):
                service.failed(passage, broken=not result.told)
            else:
                service.answered(passage, result)
            return result
        finally:
            call.account.spend(passage.written)
            service.end(passage)


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
