"""Completions against simulated engines, with the timing of the virtual clock.

The tokens say nothing; when they come is the point. Token counts follow the request: a list of ids is counted, a
text is taken at four characters a token, and ``max_tokens`` are generated.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from runtime.simulated.kernel import generated_tokens
from runtime.simulated.live import LiveWorld
from runtime.simulated.state import DONE, REASON_LOST, REASON_REJECTED

CHARACTERS_PER_TOKEN = 4
DEFAULT_MAX_TOKENS = 16
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


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "code": status}}, status)


async def complete(live: LiveWorld, request: Request, service: str, replica: str | None, chat: bool) -> Response:
    """Answer ``/v1/completions`` or ``/v1/chat/completions``, streaming if the body asks for it."""
    try:
        body = await request.json()
        prompt_tokens = count_tokens(body)
        wanted = int(body.get("max_tokens") or body.get("max_completion_tokens") or DEFAULT_MAX_TOKENS)
    except (ValueError, AttributeError, TypeError) as error:
        return _error(400, f"bad request: {error}")
    slot = live.world.submit(service, prompt_tokens, wanted, replica)
    shape = _chat_chunk if chat else _text_chunk
    if body.get("stream"):
        return StreamingResponse(_stream(live, slot, service, shape), media_type="text/event-stream")
    generated = 0
    try:
        async for seen in _progress(live, slot, request):
            generated = seen
        reason = int(live.world.state.requests[slot]["reason"])
    finally:
        live.world.forget(slot)
    if reason == REASON_REJECTED:
        return _error(503 if prompt_tokens > 0 and replica is None else 400, "the request was refused")
    if reason == REASON_LOST:
        return _error(500, "the engine died")
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": generated, "total_tokens": prompt_tokens + generated}
    choice = shape(WORD * generated, "length", final=True)
    return JSONResponse(
        {"id": f"cmpl-{slot}", "object": "completion", "model": service, "choices": [choice], "usage": usage}
    )


async def _progress(live: LiveWorld, slot: int, request: Request | None = None) -> AsyncIterator[int]:
    """Tokens generated so far, each time there are more, until the request ends or its client leaves."""
    seen = 0
    while True:
        generated = int(generated_tokens(live.world.state, slot))
        ended = int(live.world.state.requests[slot]["status"]) == DONE
        if generated > seen or ended:
            seen = generated
            yield generated
        if ended or (request is not None and await request.is_disconnected()):
            return
        await live.tick()


def _text_chunk(text: str, reason: str | None, final: bool = False) -> dict[str, Any]:
    return {"index": 0, "text": text, "finish_reason": reason}


def _chat_chunk(text: str, reason: str | None, final: bool = False) -> dict[str, Any]:
    part = {"role": "assistant", "content": text}
    return {"index": 0, "message" if final else "delta": part, "finish_reason": reason}


async def _stream(
    live: LiveWorld, slot: int, service: str, shape: Callable[[str, str | None], dict[str, Any]]
) -> AsyncIterator[str]:
    sent = 0
    try:
        async for generated in _progress(live, slot):
            for position in range(sent + 1, generated + 1):
                ended = int(live.world.state.requests[slot]["status"]) == DONE and position == generated
                chunk = {"id": f"cmpl-{slot}", "model": service, "choices": [shape(WORD, "length" if ended else None)]}
                yield f"data: {json.dumps(chunk)}\n\n"
            sent = generated
        yield "data: [DONE]\n\n"
    finally:
        live.world.forget(slot)
