"""Of several daemons only the one that leads takes writes: two would check a write against different news.

A follower answers every question. What would change something it refuses with 503 and the name of the leader, so that
whoever asks through a Service asks again and comes to the leader.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from app.api.errors import problem

QUESTIONS = ("GET", "HEAD", "OPTIONS")
AGAIN_S = "1"

Next = Callable[[Request], Awaitable[Response]]


async def only_the_leader_writes(request: Request, go_on: Next) -> Response:
    """The answer or, to a write that comes to a follower, the refusal."""
    leader = request.app.state.backend.leader
    if asks(request.method, request.url.path) or leader.leads():
        return await go_on(request)
    holder = leader.holder or "a leader that is not known yet"
    said = problem(503, f"this daemon follows {holder}, which alone writes; ask again")
    said.headers["Retry-After"] = AGAIN_S
    said.headers["Connection"] = "close"  # a kept connection would come to this daemon again
    return said


def asks(method: str, path: str) -> bool:
    """Whether a request changes nothing; a draft that is checked does not either."""
    return method in QUESTIONS or path.endswith("/check")
