"""The timeline and single decisions for the fake API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException

from app.api.schemas.decisions import DecisionDetail, DecisionRow, ReplayResult
from app.api.timeline import Timeline, Turn
from tests.app.console import fake_fleet
from tests.app.console.fake_fleet import FakeService

if TYPE_CHECKING:
    from tests.app.console.fake_api import World

MOST = 40


def turns(service: FakeService, start_s: float, end_s: float) -> list[Turn]:
    """Every step at which another number was wanted, newest first."""
    from tests.app.console.fake_api import decision

    found: list[Turn] = []
    step, at_s = fake_fleet.STEP_S, end_s // fake_fleet.STEP_S * fake_fleet.STEP_S
    until_s = end_s
    while at_s >= start_s and len(found) < MOST:
        if fake_fleet.desired(service, at_s) != fake_fleet.desired(service, at_s - step):
            found.append(Turn(**decision(service, at_s).model_dump(), until_s=until_s))
            until_s = at_s
        at_s -= step
    return found


def router(world: World) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/timeline")
    def timeline(start: float, end: float, service: str | None = None) -> Timeline:
        asked = world.services if service is None else (world.service(service),)
        told = [] if world.mode == "young" else [t for s in asked for t in turns(s, start, min(end, world.seen_s))]
        told.sort(key=lambda turn: turn.at_s, reverse=True)
        return Timeline(start_s=start, end_s=end, turns=told, left_off=3)

    @routes.get("/decisions/{id}")
    def one(id: str) -> DecisionDetail:
        row = of(id)
        seen = {"arrivals_per_s": 12.5, "mean_input_tokens": 900.0, "mean_output_tokens": 210.0, "valid": True}
        return DecisionDetail(**row.model_dump(), inputs={"observation": seen})

    @routes.get("/decisions/{id}/replay")
    def replay(id: str) -> ReplayResult:
        return ReplayResult(id=of(id).id, identical=True)

    def of(id: str) -> DecisionRow:
        from tests.app.console.fake_api import decision

        name, _, at = id.rpartition("-")
        if not at.isdigit():
            raise HTTPException(404, f"no decision {id!r}")
        return decision(world.service(name), float(at))

    return routes
