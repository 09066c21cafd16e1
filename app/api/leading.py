"""Of several daemons only the one that leads takes writes: two would check a write against different news.

A follower answers every question. What would change something it passes on to the leader, so that a Service may spread
requests over all of them; where the leader has no address or does not answer, it refuses with 503 and its name.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

import httpx
from fastapi import Request, Response

from app.api.errors import problem
from app.daemon.leading import Leader

QUESTIONS = ("GET", "HEAD", "OPTIONS")
AGAIN_S = "1"
FORWARD_S = 8.0

PASSED_ON = "Leadtime-Passed-On"
"""Header of what a follower has passed on: nobody passes it on once more."""

Next = Callable[[Request], Awaitable[Response]]
Middleware = Callable[[Request, Next], Awaitable[Response]]


def only_the_leader_writes(
    transport: httpx.AsyncBaseTransport | None = None, trust: ssl.SSLContext | bool = True
) -> Middleware:
    """The middleware; ``trust`` is by which certificates the leader is known."""

    async def middleware(request: Request, go_on: Next) -> Response:
        leader: Leader = request.app.state.backend.leader
        if asks(request.method, request.url.path) or leader.leads():
            return await go_on(request)
        if leader.address and PASSED_ON not in request.headers:
            return await passed_on(request, leader, transport, trust)
        return refusal(leader)

    return middleware


async def passed_on(
    request: Request,
    leader: Leader,
    transport: httpx.AsyncBaseTransport | None,
    trust: ssl.SSLContext | bool = True,
) -> Response:
    """The leader's answer, as it is."""
    headers = {PASSED_ON: "1", "Content-Type": request.headers.get("Content-Type", "application/json")}
    if (credential := request.headers.get("Authorization")) is not None:
        headers["Authorization"] = credential
    target = httpx.URL(leader.address).copy_with(path=request.url.path, query=request.url.query.encode())
    content = await request.body()
    try:
        async with httpx.AsyncClient(transport=transport, timeout=FORWARD_S, trust_env=False, verify=trust) as http:
            answer = await http.request(request.method, target, content=content, headers=headers)
    except httpx.TransportError:
        return refusal(leader)
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("Content-Type"))


def refusal(leader: Leader) -> Response:
    """Who to ask instead; a connection that is kept would come to this daemon again."""
    holder = leader.holder or "a leader that is not known yet"
    said = problem(503, f"this daemon follows {holder}, which alone writes; ask again")
    said.headers.update({"Retry-After": AGAIN_S, "Connection": "close"})
    return said


def asks(method: str, path: str) -> bool:
    """Whether a request changes nothing; a draft that is checked or replayed does not either."""
    return method in QUESTIONS or path.endswith(("/check", "/impact", "/plan", "/cost/savings"))
