"""Made-up candidates and watches for the fake API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException

from app.api.schemas.policies import PolicyVersion
from app.api.schemas.trials import (
    BurnView,
    DifferenceView,
    PolicyFigures,
    ShadowPromotion,
    ShadowStart,
    ShadowView,
    Signed,
    WatchView,
)

if TYPE_CHECKING:
    from tests.app.console.fake_api import World


def watch(service: str, at_s: float, **changes: Any) -> WatchView:
    """A watch ten minutes in."""
    burns = [
        BurnView(limit=14.4, long_s=300.0, short_s=60.0, long=0.4, short=0.1),
        BurnView(limit=6.0, long_s=1800.0, short_s=150.0, long=0.6, short=None),
    ]
    return WatchView(
        service=service,
        version=2,
        base_version=1,
        started_at_s=at_s - 600,
        ended_at_s=None,
        outcome="watching",
        said="",
        watch_s=1800.0,
        left_s=1200.0,
        missing_s=0.0,
        late_before=0.004,
        late_after=0.012,
        requests=9000.0,
        burns=burns,
    ).model_copy(update=changes)


def shadow(service: str, at_s: float, start: ShadowStart) -> ShadowView:
    """A candidate that has run for two hours."""
    difference = DifferenceView(
        at_s=at_s - 1800,
        live_active=4,
        candidate_active=6,
        live_sentence="Keep 4: demand may reach 2.1 erlangs (P95) within the 180 s it takes to start a replica.",
        candidate_sentence="Scale out 4 -> 6: demand may reach 3.1 erlangs (P95) within the 180 s it takes.",
    )
    return ShadowView(
        service=service,
        number=1,
        author=start.author,
        reason=start.reason,
        started_at_s=at_s - 7200,
        ended_at_s=None,
        outcome="",
        live_version=1,
        policy=start.policy,
        sentence="The candidate would have cost $3.10 (12.0%) more, 9.3 against 8.1 GPU-hours.",
        both_s=7200.0,
        disagreed_s=1500.0,
        more_s=1500.0,
        fewer_s=0.0,
        unknown_s=30.0,
        missed_s=0.0,
        live=figures(8.1, 25.8, 0.9871, 0.9853),
        candidate=figures(9.3, 28.9, 0.9954, None),
        wants_active=6,
        differences=[difference],
    )


def figures(gpu_hours: float, usd: float, estimate: float, measured: float | None) -> PolicyFigures:
    """One policy's side."""
    return PolicyFigures(gpu_hours=gpu_hours, cost_usd=usd, attainment_estimate=estimate, attainment_measured=measured)


def router(world: World) -> APIRouter:
    """What is tried."""
    api = APIRouter()

    @api.get("/policies/{name}/watch")
    def get_watch(name: str) -> WatchView:
        if name not in world.watches:
            raise HTTPException(404, f"no policy of {name} has been on watch yet")
        return world.watches[name]

    @api.get("/policies/{name}/shadow")
    def get_shadow(name: str) -> ShadowView:
        if name not in world.shadows:
            raise HTTPException(404, f"{name} has had no candidate in shadow yet")
        return world.shadows[name]

    @api.put("/policies/{name}/shadow")
    def put_shadow(name: str, body: ShadowStart) -> ShadowView:
        world.shadows[name] = shadow(name, world.now(), body)
        return world.shadows[name]

    @api.post("/policies/{name}/shadow/stop")
    def post_stop(name: str, body: Signed) -> ShadowView:
        return end(world, name, f"stopped by {body.author}: {body.reason}")

    @api.post("/policies/{name}/shadow/promote")
    def post_promote(name: str, body: ShadowPromotion) -> PolicyVersion:
        made = world.add(name, world.shadows[name].policy, body.base_version, body.author, body.reason)
        end(world, name, f"promoted as version {made.version}")
        return made

    return api


def end(world: World, name: str, outcome: str) -> ShadowView:
    """The candidate is over."""
    over = {"ended_at_s": world.now(), "outcome": outcome}
    world.shadows[name] = world.shadows[name].model_copy(update=over)
    return world.shadows[name]
