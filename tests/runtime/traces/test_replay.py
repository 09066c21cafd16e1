"""A trace sent to a real server: everything that was asked for leaves in time, and what broke off is not served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.traces import Trace
from runtime.traces.replay import Answered, Endpoint, Fate, replay, summary
from tests.runtime.router.hosts import listening

TTFT_S, TPOT_S = 2.0, 0.5


@dataclass
class Server:
    """Streams as many tokens as it is asked for; ``ends`` says how a prompt of that length ends instead."""

    ends: dict[int, str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[str | None] = field(default_factory=list)

    async def completions(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.sessions.append(request.headers.get("x-session-id"))
        how = self.ends.get(len(body["prompt"]), "whole")
        if how.isdecimal():
            return JSONResponse({"error": "no"}, int(how))
        return StreamingResponse(self.pieces(body, how), media_type="text/event-stream")

    async def pieces(self, body: dict[str, Any], how: str) -> AsyncIterator[str]:
        for i in range(body["max_tokens"]):
            if how == "stall" and i == 1:
                await asyncio.sleep(30)
            yield f"data: {json.dumps({'choices': [{'text': 'w'}]})}\n\n"
        if how == "error":
            yield f"data: {json.dumps({'error': {'message': 'the replica was lost'}})}\n\n"
        if how == "whole":
            yield f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': body['max_tokens']}})}\n\n"
            yield "data: [DONE]\n\n"


def trace(*rows: tuple[float, int, int]) -> Trace:
    due, prompt, output = zip(*rows, strict=True)
    return Trace("t", np.array(due), np.array(prompt, np.int32), np.array(output, np.int32))


async def played(server: Server, sent: Trace, **more: Any) -> list[Answered]:
    app = Starlette(routes=[Route("/v1/completions", server.completions, methods=["POST"])])
    async with listening(app) as url:
        return await replay(sent, Endpoint(url, "chat", timeout_s=1.0), **more)


async def test_every_request_is_sent_as_the_trace_has_it_and_told() -> None:
    server, told = Server(), list[Answered]()
    answers = await played(server, trace((0.0, 5, 3), (0.2, 7, 1)), told=told.append)
    assert [(len(b["prompt"]), b["max_tokens"], b["model"]) for b in server.bodies] == [(5, 3, "chat"), (7, 1, "chat")]
    assert [(a.fate, a.tokens, a.due_s) for a in answers] == [(Fate.SERVED, 3, 0.0), (Fate.SERVED, 1, 0.2)]
    assert all(a.sent_s >= a.due_s and a.ttft_s is not None and a.why is None for a in answers)
    assert answers[1].tpot_s is None
    assert sorted(told, key=lambda a: a.due_s) == answers


async def test_speed_is_a_factor_on_time() -> None:
    answers = await played(Server(), trace((0.0, 1, 1), (20.0, 1, 1)), speed=100.0)
    assert answers[1].due_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("how", "fate", "why"),
    [
        ("cut", Fate.LOST, "without [DONE]"),
        ("error", Fate.LOST, "the replica was lost"),
        ("stall", Fate.LOST, "ReadTimeout"),
        ("429", Fate.REJECTED, "429"),
        ("503", Fate.REJECTED, "503"),
        ("400", Fate.REFUSED, "400"),
        ("500", Fate.REFUSED, "500"),
    ],
)
async def test_what_was_not_served_says_why_and_does_not_count(how: str, fate: Fate, why: str) -> None:
    answers = await played(Server({2: how}), trace((0.0, 1, 2), (0.0, 2, 2)))
    assert [a.fate for a in answers] == [Fate.SERVED, fate]
    assert why in str(answers[1].why)
    told = summary(answers, TTFT_S, TPOT_S)
    assert (told["requests"], told["served"], told[fate.value], told["attainment"]) == (2, 1, 1, 0.5)
    assert told["output_tokens"] == 2


async def test_nobody_there_is_lost_and_no_exception() -> None:
    answers = await replay(trace((0.0, 1, 1)), Endpoint("http://127.0.0.1:9", "chat"))
    assert answers[0].fate is Fate.LOST and "ConnectError" in str(answers[0].why)
    assert summary(answers, TTFT_S, TPOT_S)["ttft_s"]["p50"] is None


@pytest.mark.parametrize(
    ("first_s", "last_s", "tokens", "kept"),
    [(3.0, 3.0, 1, True), (3.1, 3.1, 1, False), (1.5, 4.0, 3, True), (1.5, 4.1, 3, False), (3.1, 3.2, 3, False)],
)
def test_a_promise_is_kept_by_first_and_last_token(first_s: float, last_s: float, tokens: int, kept: bool) -> None:
    answer = Answered(1.0, 1.2, first_s, last_s, 10, tokens, tokens, Fate.SERVED)
    assert answer.kept(TTFT_S, TPOT_S) is kept


async def test_a_session_is_named_so_that_a_router_can_keep_it_together() -> None:
    server = Server()
    await played(server, replace(trace((0.0, 1, 1), (0.1, 2, 1)), session=np.array([0, 7], np.int32)))
    assert server.sessions == [None, "7"]
