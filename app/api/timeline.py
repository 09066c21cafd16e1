"""Reads: where the wanted number of replicas turned, over all services, as far back as decisions are kept.

A controller decides every few seconds and mostly decides the same, so a day is told by its turns. They are the steps of
the recorded series, which the history keeps, and only the decisions that made them are read from the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, HTTPException, Query

from app.api.backend import Back, Backend
from app.api.decisions import fields
from app.api.errors import problems
from app.api.schemas.decisions import DecisionRow
from app.api.schemas.schema import Schema
from autoscaler.store.ledger import Entry, SqlLedger

router = APIRouter(tags=["decisions"])

DEFAULT_SPAN_S = 3600.0
LONGEST_S = 8 * 86400.0
WANTED = "replicas_desired"
SAME_S = 1e-3
"""Times closer than this are the same: a row of the history bears the time of its decision."""

At = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]
Most = Annotated[int, Query(ge=1, le=2000, description="Most turns in the answer, over all services.")]


class Turn(DecisionRow):
    """A decision that asked for another number than the one before; it held until ``until_s``."""

    until_s: float


class Timeline(Schema):
    """Turns of all services asked for, newest first; ``left_off`` older ones are not in the answer."""

    start_s: float
    end_s: float
    turns: list[Turn]
    left_off: int


@router.get("/timeline", responses=problems(404, 422))
async def timeline(
    back: Back, service: str | None = None, start: At = None, end: At = None, most: Most = 400
) -> Timeline:
    """Turns between two times, UTC seconds: of one service or of all; the last hour if absent."""
    end_s = back.now_s() if end is None else end
    start_s = end_s - DEFAULT_SPAN_S if start is None else start
    if not 0 < end_s - start_s <= LONGEST_S:
        raise HTTPException(422, f"start {start_s:g} and end {end_s:g}: give a start before the end, 8 days at most")
    names = list(back.memory.services) if service is None else [service]
    if service is not None and service not in back.memory.services:
        raise HTTPException(404, f"no service {service!r}; known: {', '.join(back.memory.services) or 'none'}")
    return await asyncio.to_thread(found, back, names, start_s, end_s, most)


def found(back: Backend, names: Sequence[str], start_s: float, end_s: float, most: int) -> Timeline:
    """The timeline; each service has an equal share of the turns."""
    share, left_off = max(1, most // max(1, len(names))), 0
    turns: list[Turn] = []
    for name in names:
        times = turning(*back.history.steps(name, WANTED, start_s, end_s), end_s)
        left_off += max(0, len(times) - share)
        turns += made(back, name, times[-share:], end_s)
    turns.sort(key=lambda turn: turn.at_s, reverse=True)
    return Timeline(start_s=start_s, end_s=end_s, turns=turns[:most], left_off=left_off + max(0, len(turns) - most))


def turning(times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], end_s: float) -> list[float]:
    """When the value became another one, the first included; gaps (NaN) are skipped."""
    known = np.isfinite(values) & (times <= end_s)
    times, values = times[known], values[known]
    if not len(times):
        return []
    turned: list[float] = times[np.concatenate([[True], values[1:] != values[:-1]])].tolist()
    return turned


def made(back: Backend, name: str, times: Sequence[float], end_s: float) -> list[Turn]:
    """The decisions that were made at these times, or last before them where the history only has minutes."""
    turns: list[Turn] = []
    for at_s, until_s in pairwise([*times, end_s]):
        entry = back.decided.at(name, at_s, back.now_s(), partial(decision_at, back.ledger, name, at_s))
        if entry is not None and (not turns or turns[-1].id != entry.decision.id):
            turns.append(Turn(**fields(entry), until_s=max(until_s, entry.decision.at_s)))
    return turns


def decision_at(ledger: SqlLedger, name: str, at_s: float) -> Entry | None:
    """The decision that was made at a time, or last before it."""
    entries = ledger.list(name, 1, at_s + SAME_S)
    return entries[0] if entries else None
