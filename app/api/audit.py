"""Reads: who changed what, when and why, and whether the record of it was touched. Nothing here can be written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query

from app.api.backend import Back
from app.api.errors import problems
from app.api.schemas.audit import AuditDetail, AuditRow, AuditVerdict
from app.api.schemas.policies import FieldChange
from autoscaler.store.audit import AuditLog, Entry, Wanted

router = APIRouter(tags=["audit"])

Text = Annotated[str | None, Query(max_length=200)]
Time = Annotated[float | None, Query(allow_inf_nan=False, description="UTC seconds.")]
Seq = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the entry.")]


def log_of(back: Back) -> AuditLog:
    """The audit; 404 where the daemon keeps none."""
    if back.audit is None:
        raise HTTPException(404, "this daemon keeps no audit")
    return back.audit


Log = Annotated[AuditLog, Depends(log_of)]


@router.get("/audit", responses=problems(404, 422))
async def entries(
    log: Log,
    action: Annotated[str | None, Query(max_length=40, description="Such as policy.write.")] = None,
    who: Text = None,
    subject: Annotated[str | None, Query(max_length=200, description="A service, or what the action is about.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="Found anywhere in the entry.")] = None,
    start: Time = None,
    end: Time = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only entries before this number.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most entries.")] = 100,
) -> list[AuditRow]:
    """Changes, newest first."""
    wanted = Wanted(action or None, who or None, subject or None, text or None, start, end)
    found = await asyncio.to_thread(log.list, wanted, limit, before)
    return [AuditRow(**row(entry)) for entry in found]


@router.get("/audit/verify", responses=problems(404, 422))
async def verify(
    log: Log, head: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="A hash noted before.")] = None
) -> AuditVerdict:
    """Follow the whole chain."""
    return AuditVerdict(**asdict(await asyncio.to_thread(log.verify, head)))


@router.get("/audit/{seq}", responses=problems(404, 422))
async def one(seq: Seq, log: Log) -> AuditDetail:
    """One change, whole."""
    entry = await asyncio.to_thread(log.get, seq)
    if entry is None:
        raise HTTPException(404, f"no audit entry {seq}; GET /api/v1/audit lists them")
    before, after = json.loads(entry.before), json.loads(entry.after)
    return AuditDetail(**row(entry), before=before, after=after, previous=entry.previous)


def row(entry: Entry) -> dict[str, Any]:
    """The fields of an entry's row."""
    names = [name for name in AuditRow.model_fields if name != "changes"]
    before, after = (flat(json.loads(text)) for text in (entry.before, entry.after))
    differ = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    changes = [FieldChange(field=name, old=before.get(name), new=after.get(name)) for name in differ]
    return {name: getattr(entry, name) for name in names} | {"changes": changes}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by their dotted names."""
    if not isinstance(value, Mapping):
        return {} if value is None and not prefix else {prefix or "value": value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return found
