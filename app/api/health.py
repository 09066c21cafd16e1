"""Whether the process lives, whether it can be asked, and its metrics."""

from __future__ import annotations

import time

from fastapi import APIRouter, HTTPException, Response

from app.api.backend import Back
from app.api.errors import problems
from app.api.schemas.schema import Schema
from app.metrics import page

router = APIRouter(tags=["health"])


class Health(Schema):
    """A word on how it is."""

    status: str


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(503))
async def readyz(back: Back) -> Health:
    """The first tick is done, so that every answer has something behind it."""
    if back.memory.ticked_at_s is None:
        raise HTTPException(503, back.memory.trouble or "the first tick is not done yet")
    return Health(status="ready")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(back: Back) -> Response:
    """Our own metrics for Prometheus."""
    text = page(back.memory, back.now_s(), leading=back.leader.leads(), wall_s=time.time())
    return Response(text, media_type="text/plain; version=0.0.4")
