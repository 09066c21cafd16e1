"""Completions against simulated engines, with the timing of the virtual clock.

The tokens say nothing; when they come is the point. Token counts follow the request: a list of ids is counted, a
text is taken at four characters a token, and ``max_tokens`` are generated.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from runtime.simulated.kernel import generated_tokens
from runtime.simulated.live import LiveWorld
from runtime.simulated.state import DONE, HELD, NO_SLOT, REASON_LOST, REASON_REJECTED

CHARACTERS_PER_TOKEN = 4
DEFAULT_MAX_TOKENS = 16
MOST_TOKENS = 2**31 - 1
WORD = " tok"


def count_tokens(body: dict[str, Any]) -> int:
    """Prompt tokens of a completions or chat body; raises ValueError where there is no prompt."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and all(isinstance(token, int) for token in prompt):
        return len(prompt)
    if isinstance(prompt, str):
        return max(1, math.ceil(len(prompt) / CHARACTERS_PER_TOKEN))
    messages = body.get("messages")
    if isinstance(messages, list) and messages:
        text = "".join(str(m.get("content", "")) for m in messages if isinstance(m, dict))
        return max(1, math.ceil(len(text) / CHARACTERS_PER_TOKEN))
    raise ValueError("give a prompt (text or token ids) or messages")


def wanted_tokens(body: dict[str, Any]) -> int:
    """Output tokens that a body asks for; raises ValueError for anything but a positive whole number."""
    given = [body[key] for key in ("max_tokens", "max_completion_tokens") if body.get(key) is not None]
    wanted = given[0] if given else DEFAULT_MAX_TOKENS
    if not isinstance(wanted, int) or wanted < 1:
        raise ValueError(f"max_tokens: {wanted!r} is no positive whole number")
    return min(wanted, MOST_TOKENS)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request in the world, and how its client wants to be answered."""

    live: LiveWorld
    slot: int
    model: str
    chat: bool
    prompt_tokens: int

    @property
    def record(self) -> Any:
        """The request as the world has it now."""
        return self.live.world.state.requests[self.slot]

    def forget(self) -> None:
        """Over, one way or the other; what still runs is aborted."""
        self.live.world.forget(self.slot)

    def usage(self, generated: int) -> dict[str, int]:
        """Token counts as OpenAI names them."""
        total = self.prompt_tokens + generated
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": generated, "total_tokens": total}

    def answer(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """The frame of an answer or a chunk of one."""
        prefix = "chatcmpl" if self.chat else "cmpl"
        created = int(self.live.world.now_s)
        return {
            "id": f"{prefix}-{self.slot}",
            "object": kind,
            "created": created,
            "model": self.model,
            "choices": choices,
        }

    def refusal(self) -> JSONResponse | None:
        """What to answer instead of tokens: 400 where an engine refused, 503 where none came, 500 where it died."""
        reason = int(self.record["reason"])
        if int(self.record["status"]) != DONE or reason not in (REASON_REJECTED, REASON_LOST):
            return None
        if reason == REASON_LOST:
            return _error(500, "the engine died")
        if int(self.record["replica"]) == NO_SLOT:
            return _error(503, "no replica came in time")
        return _error(400, f"a prompt of {self.prompt_tokens} tokens does not fit this model")


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "code": status}}, status)


async def complete(
    live: LiveWorld, request: Request, body: dict[str, Any], replica: str | None, chat: bool
) -> Response:
    """Answer ``/v1/completions`` or ``/v1/chat/completions``, streaming if the body asks for it."""
    try:
        prompt_tokens, wanted = count_tokens(body), wanted_tokens(body)
    except ValueError as error:
        return _error(400, f"bad request: {error}")
    model = str(body["model"])
    call = _Call(live, live.world.submit(model, prompt_tokens, wanted, replica), model, chat, prompt_tokens)
    if not body.get("stream"):
        return await _whole(call, request)
    while int(call.record["status"]) == HELD and not await request.is_disconnected():
        await live.tick()
    if refused := call.refusal():
        call.forget()
        return refused
    options = body.get("stream_options") or {}
    return _Stream(_events(call, bool(options.get("include_usage"))), call.forget)


async def _progress(call: _Call, request: Request | None = None) -> AsyncIterator[int]:
    """Tokens generated so far, each time there are more, until the request ends or its client leaves."""
    seen = 0
    while True:
        generated = int(generated_tokens(call.live.world.state, call.slot))
        ended = int(call.record["status"]) == DONE
        if generated > seen or ended:
            seen = generated
            yield generated
        if ended or (request is not None and await request.is_disconnected()):
            return
        await call.live.tick()


async def _whole(call: _Call, request: Request) -> Response:
    generated = 0
    try:
        async for seen in _progress(call, request):
            generated = seen
        if refused := call.refusal():
            return refused
    finally:
        call.forget()
    content = WORD * generated
    said = {"message": {"role": "assistant", "content": content}} if call.chat else {"text": content}
    answer = call.answer(
        "chat.completion" if call.chat else "text_completion", [{"index": 0, **said, "finish_reason": "length"}]
    )
    return JSONResponse({**answer, "usage": call.usage(generated)})


class _Stream(StreamingResponse):
    """Server-sent events; ``done`` is called at their end and also where the client leaves before the first."""

    def __init__(self, events: AsyncIterator[str], done: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


async def _events(call: _Call, with_usage: bool) -> AsyncIterator[str]:
    """One event a token; a stream whose engine died ends with an error and without ``[DONE]``."""
    kind, sent = "chat.completion.chunk" if call.chat else "text_completion", 0
    async for generated in _progress(call):
        ended = int(call.record["status"]) == DONE and int(call.record["reason"]) != REASON_LOST
        for position in range(sent + 1, generated + 1):
            reason = "length" if ended and position == generated else None
            said = {"delta": {"role": "assistant", "content": WORD}} if call.chat else {"text": WORD}
            yield _event(call.answer(kind, [{"index": 0, **said, "finish_reason": reason}]))
        sent = generated
    if refused := call.refusal():
        yield _event(json.loads(bytes(refused.body)))
        return
    if with_usage:
        yield _event({**call.answer(kind, []), "usage": call.usage(sent)})
    yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
