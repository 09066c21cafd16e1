"""Reads: the fleet, a service, its series and replicas."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from app.api.backend import Back, Known
from app.api.capacity import capacity_view
from app.api.errors import problems
from app.api.schemas.capacity import CapacityView
from app.api.schemas.fleet import FleetView
from app.api.schemas.services import Called, ReplicaView, Series, ServiceRow
from app.api.views import fleet_view, replica_view, service_row
from app.daemon.signals import FLEET, FLEET_SIGNALS, SIGNALS
from collectors.downsample import Points
from runtime.replica import Tier, Transition

router = APIRouter(tags=["fleet"])

DEFAULT_SPAN_S = 3600.0


@router.get("/fleet")
async def fleet(back: Back) -> FleetView:
    """The five-second screen."""
    return fleet_view(back.memory, back.now_s())


@router.get("/services/{service}", responses=problems(404))
async def one(service: str, back: Back, known: Known) -> ServiceRow:
    """One service, now."""
    return service_row(service, known, back.now_s())


@router.get("/services/{service}/series", responses=problems(404, 422))
async def series(
    service: str,
    back: Back,
    start: Annotated[
        float | None, Query(allow_inf_nan=False, description="UTC seconds; an hour before the end if absent.")
    ] = None,
    end: Annotated[float | None, Query(allow_inf_nan=False, description="UTC seconds; now if absent.")] = None,
    signals: Annotated[str, Query(description="Names with commas between; all if absent.")] = "",
    max_points: Annotated[int, Query(ge=2, le=10_000, description="Most points per signal.")] = 600,
) -> Series:
    """Points of named signals; ``_fleet`` is the service of the GPU counts, of which who may not see all sees none."""
    names = wanted(service, signals, back)
    end_s = back.now_s() if end is None else end
    start_s = end_s - DEFAULT_SPAN_S if start is None else start
    if not start_s < end_s:
        raise HTTPException(422, f"start {start_s:g} is not before end {end_s:g}; give an earlier start")
    if service == FLEET and back.only is not None:
        found: dict[str, Points] = {name: [] for name in names}
    else:
        found = await asyncio.to_thread(back.history.series, service, names, start_s, end_s, max_points)
    longest = max(map(len, found.values()))
    return Series(
        service=service,
        start_s=start_s,
        end_s=end_s,
        step_s=(end_s - start_s) / longest if longest else 0.0,
        signals={name: list(points) for name, points in found.items()},
    )


def wanted(service: str, signals: str, back: Back) -> list[str]:
    """The signals asked for; 404 for an unknown service, 422 for an unknown signal."""
    if service != FLEET and service not in back.memory.services:
        raise HTTPException(404, f"no service {service!r}; known: {', '.join(back.memory.services)}, {FLEET}")
    known = FLEET_SIGNALS if service == FLEET else SIGNALS
    names = [name.strip() for name in signals.split(",") if name.strip()] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise HTTPException(422, f"signals: no signal {unknown[0]!r}; known: {', '.join(known)}")
    return list(dict.fromkeys(names))


@router.get("/services/{service}/capacity", responses=problems(404))
async def capacity(service: str, known: Known) -> CapacityView:
    """What one replica carries, as configured and as learned, and the lead times of its tiers."""
    return capacity_view(service, known)


@router.get("/services/{service}/replicas", responses=problems(404))
async def replicas(known: Known) -> list[ReplicaView]:
    """The replicas of a service, in the fleet's order."""
    return [replica_view(replica, known) for replica in known.replicas]


@router.post("/services/{service}/wake", status_code=202, responses=problems(404))
async def wake(back: Back, known: Known) -> Called:
    """Requests wait for a first replica: decide now and not at the next tick. One that is on its way is waited for."""
    coming = any(r.tier is Tier.ACTIVE and r.transition is not Transition.FAILED for r in known.replicas)
    if not coming:
        back.memory.called.set()
    return Called(called=not coming)
