"""Overrides: freeze a service or the fleet, pin it, or hold at least so many, for a while; and lift that again."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, HTTPException

from app.api.backend import Back, Backend, Known
from app.api.errors import problems
from app.api.schemas.overrides import FreezeWrite, OverrideLift, OverrideView, OverrideWrite
from autoscaler.policy import Policy
from autoscaler.safety.overrides import FLEET, Kind
from autoscaler.store.overrides import Kept
from runtime.pool import Pool

router = APIRouter(tags=["overrides"])


@router.get("/overrides")
async def in_force(back: Back) -> list[OverrideView]:
    """Those in force, of all services that may be seen and of the fleet, which holds for each."""
    now_s = back.now_s()
    found = await asyncio.to_thread(back.overrides.in_force, now_s)
    return [view(Kept(one), now_s) for one in found if back.only is None or one.service in (FLEET, *back.only)]


@router.get("/services/{service}/overrides", responses=problems(404))
async def of_service(service: str, back: Back, known: Known) -> list[OverrideView]:
    """Those of a service and of the fleet, over or not, newest first."""
    now_s = back.now_s()
    return [view(kept, now_s) for kept in await asyncio.to_thread(back.overrides.history, service)]


@router.post("/services/{service}/overrides", status_code=201, responses=problems(404, 422))
async def make(service: str, wish: OverrideWrite, back: Back, known: Known) -> OverrideView:
    """Begin one for a service; 422 where the policy's bounds do not allow it."""
    if problem := wrong(wish, known.policy, known.pool):
        raise HTTPException(422, problem)
    return await begun(service, Kind(wish.kind), wish.replicas, wish, back)


@router.post("/freezes", status_code=201, responses=problems(422))
async def freeze(wish: FreezeWrite, back: Back) -> OverrideView:
    """Freeze the whole fleet."""
    return await begun(FLEET, Kind.FREEZE, None, wish, back)


@router.post("/overrides/{id}/lift", responses=problems(404, 422))
async def lift(id: str, by: OverrideLift, back: Back) -> OverrideView:
    """End one early; one that is over already stays as it is."""
    now_s = back.now_s()
    try:
        return view(await asyncio.to_thread(back.overrides.lift, id, now_s, by.author), now_s)
    except KeyError:
        raise HTTPException(404, f"no override {id!r}; GET /api/v1/overrides lists those in force") from None


async def begun(service: str, kind: Kind, replicas: int | None, wish: FreezeWrite, back: Backend) -> OverrideView:
    """Keep it from now on."""
    now_s = back.now_s()
    how = (kind, replicas, now_s, now_s + wish.for_s, wish.author, wish.reason)
    return view(Kept(await asyncio.to_thread(back.overrides.make, service, *how)), now_s)


def wrong(wish: OverrideWrite, policy: Policy, pool: Pool) -> str | None:
    """What the bounds have against it, in one line; None where nothing."""
    if wish.kind == "freeze":
        return None if wish.replicas is None else "replicas: a freeze changes nothing; leave replicas out"
    if wish.replicas is None:
        return f"replicas: is missing; give how many replicas {wish.kind} stands for"
    least, most = policy.replicas.min, policy.replicas.max
    if not least <= wish.replicas <= most:
        return f"replicas: {wish.replicas} is outside the policy's bounds; give {least} to {most}, or change the policy"
    cost, usd = wish.replicas * pool.replica_usd_per_hour, policy.budget_usd_per_hour
    if usd is not None and cost > usd:
        return (
            f"replicas: {wish.replicas} cost ${cost:g} an hour, the budget is ${usd:g}; give fewer or raise the budget"
        )
    return None


def view(kept: Kept, now_s: float) -> OverrideView:
    """An override as the API shows it."""
    override = kept.override
    over = kept.lifted_at_s is not None or now_s >= override.until_s
    return OverrideView(
        id=override.id,
        service=None if override.service == FLEET else override.service,
        kind=override.kind.value,
        replicas=override.replicas,
        starts_at_s=override.starts_at_s,
        until_s=override.until_s,
        author=override.author,
        reason=override.reason,
        in_force=not over,
        lifted_at_s=kept.lifted_at_s,
        lifted_by=kept.lifted_by,
    )
