"""One attempt at one replica: send the request there, and pass the answer on as it comes.

Promises: until the first byte of an answer is passed on, a failure is returned and the request can go elsewhere;
from then on only a stream can that has a thread, and the client of any other is told. One piece of an answer is in
memory at a time, so a client that reads slowly slows the engine's stream, not our memory. Leaving the attempt, in
whatever way, closes the connection to the engine, which aborts the request there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from starlette.types import Message, Send

from runtime.router.answer import ERROR, Answer, error_event
from runtime.router.line import Claim
from runtime.router.load import Asked
from runtime.router.passage import Done, End, Passage
from runtime.router.patience import Patience
from runtime.router.spec import Limits
from runtime.router.tenants import Account
from runtime.router.thread import ASKED, Thread
from runtime.router.upstream import Answered, Broken, Unreachable, Upstream

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
NOT_SENT = (502, 503)
"""A replica that answers so has not begun."""

ITS_FAULT = (500, 504)
UNKNOWN_FIELD = (400, 422)
EVENT_STREAM = b"text/event-stream"
OWN = frozenset([b"host", b"content-length", b"accept-encoding", b"expect"])


class ClientSlow(Exception):
    """The client took nothing for ``write_s``."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was passed on. ``began`` where the replica may have worked on it, ``broken`` where the replica
    cannot serve anybody, ``status`` and ``body`` what it said, if it said something.
    """

    reason: str
    began: bool
    broken: bool
    status: int = 502
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Lost:
    """A stream that broke off and may go on elsewhere; ``told`` where the engine said so itself, and still talks."""

    thread: Thread
    told: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A request as its client sent it; ``answer`` takes the ASGI messages of the response, ``claim`` is its place among
    those that are held, ``account`` its sender's, ``thread`` that of a stream that could go on elsewhere.
    """

    path: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    asked: Asked
    streamed: bool
    answer: Send
    claim: Claim
    account: Account
    thread: Thread | None = None


def forwarded(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """A client's headers as a replica gets them."""
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in OWN]
    return (*kept, (b"accept-encoding", b"identity"))


@dataclass(slots=True)
class Relay:
    """Sends one request to one replica."""

    http: Upstream
    limits: Limits
    clock: Callable[[], float]
    writing: Patience = field(init=False)
    client: asyncio.Timeout = field(init=False)

    def __post_init__(self) -> None:
        self.writing = Patience(self.limits.write_s, self._slow)

    async def attempt(self, call: Call, passage: Passage) -> Failure | Done | Lost:
        """Send it and pass the answer on; raises ``ClientSlow``."""
        load, strict = passage.load, passage.load.strict
        result = await self._once(call, passage)
        return await self._once(call, passage) if load.strict and not strict else result

    async def break_off(self, call: Call, content: bytes) -> None:
        """End a stream that cannot go on; raises ``ClientSlow``."""
        try:
            async with asyncio.timeout(self.limits.write_s):
                await call.answer(_body(content, more=True))
                await call.answer(_body(b"", more=False))
        except TimeoutError:
            raise ClientSlow from None

    async def _once(self, call: Call, passage: Passage) -> Failure | Done | Lost:
        path, body = call.thread.request(passage.load.strict) if call.thread else (call.path, call.body)
        url, limits = passage.load.base_url + path, self.limits
        try:
            response = await self.http.post(url, call.headers, body, limits.connect_s, limits.read_s)
        except Unreachable:
            return Failure("no replica could be reached", began=False, broken=True)
        except Broken as error:
            return Failure(f"the replica did not answer: {error}", began=True, broken=True)
        try:
            async with asyncio.timeout(None) as self.client:
                return await self._answered(call, passage, response)
        except TimeoutError:
            raise ClientSlow from None
        finally:
            self.writing.close()
            response.close()

    async def _answered(self, call: Call, passage: Passage, response: Answered) -> Failure | Done | Lost:
        pieces = response.pieces()
        streamed = response.header(b"content-type").startswith(EVENT_STREAM)
        try:
            first = await anext(pieces, b"")
        except Broken:
            return Failure("the replica was lost before the first byte", began=True, broken=True)
        status = response.status
        if status in NOT_SENT or status in ITS_FAULT:
            return Failure(f"the replica answered {status}", status in ITS_FAULT, status in NOT_SENT, status, first)
        if streamed and ERROR.match(first):
            return Failure("the replica failed before the first token", began=True, broken=False)
        thread = call.thread if streamed and status == 200 else None
        if call.thread and status in UNKNOWN_FIELD and ASKED in first and not passage.load.strict:
            passage.load.strict = True
            return Failure("the replica knows no token ids", began=False, broken=False)
        if call.thread and call.thread.leg:
            if thread is None:
                return Failure(f"the replica would not go on: {status}", began=True, broken=False)
        else:
            await self._send(call, _start(response))
        if thread is not None:
            return await self._follow(call, passage, _chained(first, pieces), thread)
        return await self._pass_on(call, passage, _chained(first, pieces), Answer(streamed), status)

    async def _follow(self, call: Call, passage: Passage, pieces: AsyncIterator[bytes], thread: Thread) -> Done | Lost:
        """A stream that has a thread, event by event, until its end or its replica's."""
        answer = Answer(streamed=True)
        try:
            async for piece in pieces:
                passage.write(answer.take(piece))
                if thread.first_s is None:
                    thread.first_s = self.clock()
                if whole := thread.take(piece):
                    await self._send(call, _body(whole, more=True))
                if thread.told:
                    break
        except Broken:
            pass
        if thread.told or thread.partial or not answer.whole:
            thread.lost()
            if not thread.over:
                return Lost(thread, bool(thread.told))
            await self._send(call, _body(thread.close(), more=True))
        await self._send(call, _body(b"", more=False))
        return Done(End.WHOLE, answer.output_tokens, thread.first_s, self.clock())

    async def _pass_on(
        self, call: Call, passage: Passage, pieces: AsyncIterator[bytes], answer: Answer, status: int
    ) -> Done:
        """The body, piece by piece; a stream that breaks ends with an error, anything else is cut off."""
        first_s = None
        cut = False
        try:
            async for piece in pieces:
                passage.write(answer.take(piece))
                if answer.streamed and first_s is None:
                    first_s = self.clock()
                await self._send(call, _body(piece, more=True))
        except Broken:
            cut = True
        broken = cut or (status < 400 and not answer.whole)
        if broken and answer.streamed and not answer.told:
            await self._send(call, _body(error_event("the replica was lost in mid-stream"), more=True))
        if answer.streamed or not cut:
            await self._send(call, _body(b"", more=False))
        if not answer.streamed:
            passage.write(answer.output_tokens)
        end = End.BROKEN if broken else End.WHOLE if status < 400 else End.REFUSED
        return Done(end, answer.output_tokens, first_s, self.clock())

    async def _send(self, call: Call, message: Message) -> None:
        self.writing.begin()
        await call.answer(message)
        self.writing.rest()

    def _slow(self) -> None:
        """The client took nothing: end the attempt."""
        self.client.reschedule(0.0)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


def _start(response: Answered) -> Message:
    headers = [(name, value) for name, value in response.headers if name not in HOP_BY_HOP]
    return {"type": "http.response.start", "status": response.status, "headers": headers}


def _body(content: bytes, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
