"""What the whole fleet saved, as an answer that takes a while: each service's days are played in a process of its own.

A service that was played for the same days under the same policy is not played again, here or by ``GET``.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.backend import Back
from app.api.computed import LINES, computed
from app.api.cost import LATEST_S, Booked, asked, policies
from app.api.errors import problems
from app.api.schemas.schema import Schema
from app.reports import build, views

router = APIRouter(tags=["cost"])

Moment = Annotated[float | None, Field(allow_inf_nan=False, ge=0, le=LATEST_S, description="UTC seconds.")]


class SavingsAsk(Schema):
    """A span, the 30 days before now where nothing is said, and the service, all if absent."""

    start: Moment = None
    end: Moment = None
    service: Annotated[str | None, Field(max_length=200)] = None


class SavingsLine(Schema):
    """One line of the stream: how far it is, or the result, or why there is none."""

    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    result: views.SavingsView | None = None
    error: str | None = None


@router.post(
    "/cost/savings",
    responses=problems(404, 422, 429) | {200: {"model": SavingsLine, "content": {LINES: {}}}},
    response_class=StreamingResponse,
)
async def played(request: Request, ask: SavingsAsk, back: Back, books: Booked) -> StreamingResponse:
    """As ``GET``, one JSON object a line: how far it is, and at last the savings. Changes nothing."""
    wanted, known = asked(back, ask.start, ask.end, ask.service), policies(back)
    span = wanted.start_s, wanted.end_s
    plays = await asyncio.to_thread(books.plays, known, *span, wanted.service)

    def view(answer: bytes) -> views.SavingsView:
        books.kept.played.update(pickle.loads(answer))
        return build.savings_view(books, known, *span, wanted.service)

    return computed(request, "app.reports.savings_worker", pickle.dumps(plays), view)
