"""Impacts and proposals for the fake API; a second person is asked for where the SLO changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from app.api.impact import ImpactAsk, ImpactSide, ImpactView
from app.api.proposals import ProposalDecision, ProposalView
from app.api.schemas.policies import PolicyVersion, PolicyWrite
from autoscaler.policy import Policy
from autoscaler.store.proposals import SecondPerson

if TYPE_CHECKING:
    from tests.app.console.fake_api import World

RULE = SecondPerson(("slo",))
POINTS = 200


def needs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The changed fields that need somebody else."""
    return RULE.asked_by(Policy.model_validate(old), Policy.model_validate(new))


def side(cost_usd: float, attainment: float) -> ImpactSide:
    return ImpactSide(
        cost_usd=cost_usd,
        gpu_hours=cost_usd / 3,
        attainment=attainment,
        mean_active=cost_usd / 72,
        peak_active=12,
        scale_outs=31,
        scale_ins=28,
    )


def impact(name: str, now_s: float, version: int, more: float) -> ImpactView:
    """A draft that costs ``more`` dollars and is a little better for it."""
    start_s = now_s - 86400
    times = [start_s + 86400 * i / POINTS for i in range(POINTS)]
    return ImpactView(
        service=name,
        base_version=version,
        start_s=start_s,
        end_s=now_s,
        tick_s=15.0,
        requests=812_345.0,
        unknown_s=1800.0,
        current=side(612.0, 0.991),
        draft=side(612.0 + more, 0.9962 if more > 0 else 0.98),
        delta_usd=more,
        delta_gpu_hours=more / 3,
        delta_attainment=0.0052 if more > 0 else -0.011,
        delta_late=-4224.0 if more > 0 else 8935.0,
        recorded_usd=598.0,
        recorded_attainment=0.9905,
        replay_error=0.023,
        rests_on=["5,760 ticks of 15 s, 24.0 h of recorded load.", "Overrides are not replayed."],
        wanted_current=[(t, 4.0 + i % 40 // 10) for i, t in enumerate(times)],
        wanted_draft=[(t, 5.0 + i % 40 // 10) for i, t in enumerate(times)],
    )


def router(world: World) -> APIRouter:
    """The routes, over the world's proposals."""
    routes = APIRouter()

    @routes.post("/policies/{name}/impact")
    def post_impact(name: str, ask: ImpactAsk) -> StreamingResponse:
        world.asked.append(ask.span)
        versions = world.versions(name)
        more = 48.0 * (ask.policy["replicas"]["min"] - versions[-1].policy["replicas"]["min"])
        found = impact(name, world.now(), versions[-1].version, more)

        def lines() -> Iterator[str]:
            for share in (0.3, 0.7):
                yield json.dumps({"progress": share}) + "\n"
            yield json.dumps({"result": found.model_dump(mode="json")}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    @routes.get("/policies/{name}/proposals")
    def get_proposals(name: str) -> list[ProposalView]:
        return [shown(world, each) for each in reversed(world.proposals) if each.service == name]

    @routes.post("/policies/{name}/proposals")
    def post_proposal(name: str, body: PolicyWrite) -> ProposalView:
        from tests.app.console.fake_api import diff

        current = world.versions(name)[-1]
        made = ProposalView(
            id=f"p{len(world.proposals)}",
            service=name,
            base_version=body.base_version,
            author=body.author,
            reason=body.reason,
            made_at_s=world.now(),
            watch_s=body.watch_s,
            state="open",
            policy=body.policy,
            needs=needs(current.policy, body.policy),
            diff=diff(current.policy, body.policy),
            decided_by=None,
            decided_at_s=None,
            decided_why=None,
        )
        world.proposals.append(made)
        return made

    @routes.post("/policies/{name}/proposals/{id}/approve")
    def approve(name: str, id: str, by: ProposalDecision) -> PolicyVersion:
        each = decided(id, by, "approved")
        return world.add(name, each.policy, each.base_version, each.author, f"{each.reason} (approved by {by.author})")

    @routes.post("/policies/{name}/proposals/{id}/refuse")
    def refuse(name: str, id: str, by: ProposalDecision) -> ProposalView:
        return decided(id, by, "refused")

    @routes.post("/policies/{name}/proposals/{id}/withdraw")
    def withdraw(name: str, id: str, by: ProposalDecision) -> ProposalView:
        return decided(id, by, "withdrawn")

    def decided(id: str, by: ProposalDecision, state: str) -> ProposalView:
        at = next(i for i, each in enumerate(world.proposals) if each.id == id)
        if (world.proposals[at].author == by.author) != (state == "withdrawn"):
            raise HTTPException(403, f"{world.proposals[at].author} proposed it; somebody else has to decide")
        update = {"state": state, "decided_by": by.author, "decided_at_s": world.now(), "decided_why": by.reason}
        world.proposals[at] = world.proposals[at].model_copy(update=update)
        return world.proposals[at]

    return routes


def shown(world: World, each: ProposalView) -> ProposalView:
    """With what came since."""
    stale = each.state == "open" and world.versions(each.service)[-1].version != each.base_version
    return each.model_copy(update={"state": "outdated"}) if stale else each
