"""Reads: decisions with their reasons, what they were made from, and whether deciding again gives the same."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from app.api.backend import Back, Backend, Known
from app.api.errors import problems
from app.api.schemas.decisions import (
    AlternativeView,
    ConstraintView,
    DecisionDetail,
    DecisionRow,
    ReplayResult,
    TurnedView,
)
from autoscaler.store.codec import encode, replay
from autoscaler.store.ledger import Entry

router = APIRouter(tags=["decisions"])

Limit = Annotated[int, Query(ge=1, le=1000, description="Most decisions.")]
Before = Annotated[
    float | None, Query(allow_inf_nan=False, description="Only decisions before this time, UTC seconds.")
]


@router.get("/services/{service}/decisions", responses=problems(404, 422))
async def of_service(
    service: str, back: Back, known: Known, limit: Limit = 50, before: Before = None
) -> list[DecisionRow]:
    """Decisions of a service, newest first."""
    entries = await asyncio.to_thread(back.ledger.list, service, limit, before)
    return [DecisionRow(**fields(entry)) for entry in entries]


@router.get("/decisions", responses=problems(422))
async def of_all(back: Back, limit: Limit = 50, before: Before = None) -> list[DecisionRow]:
    """Decisions of all services, newest first."""
    entries = await asyncio.to_thread(newest, back, limit, before)
    return [DecisionRow(**fields(entry)) for entry in entries]


@router.get("/decisions/{id}", responses=problems(404))
async def one(id: str, back: Back) -> DecisionDetail:
    """One decision with everything it was made from."""
    entry = await entry_of(id, back)
    return DecisionDetail(**fields(entry), inputs=entry.inputs or {})


@router.get("/decisions/{id}/replay", responses=problems(404))
async def again(id: str, back: Back) -> ReplayResult:
    """Decide again on the stored inputs and compare, bit for bit."""
    entry = await entry_of(id, back)
    decided = await asyncio.to_thread(replay, entry.inputs or {})
    return ReplayResult(id=id, identical=encode(decided) == encode(entry.decision))


def newest(back: Backend, limit: int, before_s: float | None) -> list[Entry]:
    """Decisions of all services that may be seen, newest first."""
    if back.only is None:
        return back.ledger.list(None, limit, before_s)
    found = [entry for name in sorted(back.only) for entry in back.ledger.list(name, limit, before_s)]
    return sorted(found, key=lambda entry: (-entry.decision.at_s, entry.decision.id))[:limit]


async def entry_of(id: str, back: Back) -> Entry:
    """The decision of that id with its inputs; 404 where there is none, or none of theirs."""
    found = await asyncio.to_thread(back.ledger.get, id)
    if found is None or (back.only is not None and found.decision.service not in back.only):
        raise HTTPException(404, f"no decision {id!r}; GET /api/v1/decisions lists them")
    return found


def fields(entry: Entry) -> dict[str, Any]:
    """The fields of a decision's row."""
    decision = entry.decision
    target = decision.plan.total
    return {
        "id": decision.id,
        "service": decision.service,
        "at_s": decision.at_s,
        "mode": decision.mode.value,
        "current_active": decision.next_state.counts.active,
        "desired_active": target.active,
        "desired_standby": target.standby,
        "desired_asleep": target.asleep,
        "binding": decision.binding,
        "sentence": decision.sentence,
        "applied": entry.applied_at_s is not None,
        "constraints": [ConstraintView(**encode(constraint)) for constraint in decision.constraints],
        "policy_version": entry.policy_version,
        "alternatives": [AlternativeView(**encode(alternative)) for alternative in decision.alternatives],
        "usd_per_hour_now": decision.usd_per_hour_now,
        "usd_per_hour_then": decision.usd_per_hour_then,
        "tuned": [TurnedView(**encode(knob)) for knob in decision.next_state.tuned],
    }
