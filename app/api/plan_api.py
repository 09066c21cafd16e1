"""What else could serve a service's recorded load: other GPU types and splits, and the front of cost and attainment."""

from __future__ import annotations

import asyncio
import pickle
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.backend import Back, Known
from app.api.computed import LINES, computed
from app.api.errors import problems
from app.api.impact import SPANS_S, past_of
from app.api.policies import Newest, parsed
from app.api.schemas.schema import Schema
from autoscaler.impact.whatif import Kind, Point, Task, WhatIf
from autoscaler.planning.carry import Carried
from autoscaler.policy import Policy
from autoscaler.store.policies import diff
from runtime.catalog import hardware
from runtime.catalog.models import MODELS, known

router = APIRouter(tags=["policies"])

TOP = 12
Name = Annotated[str, Field(max_length=120)]


class PlanAsk(Schema):
    """A policy to plan with (the one in force if null), and, with a ``model``, which pools to look among."""

    policy: dict[str, Any] | None = None
    model: Name | None = None
    gpus: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)
    max_gpus: int = Field(8, ge=1, le=64)
    span: str = Field("24h", pattern="^(24h|7d)$")


class PlanPoint(Schema):
    """One policy on one pool by the fluid screen; ``changes`` are its knobs that differ from the policy asked about."""

    pool: str
    kind: Kind
    name: str
    usd_per_hour: float
    attainment: float
    mean_replicas: float
    changes: dict[str, Any]


class PlanPool(Schema):
    """A way to run the model that carries the traffic within the SLO, cheapest first; ``error`` is of its step times.

    ``measured`` says whether its step times were, and are not carried over from others.
    """

    name: str
    gpu: str
    gpus_per_replica: int
    split: str
    precision: str
    mean_replicas: float
    peak_replicas: int
    usd_per_hour: float
    usd_per_million_tokens: float
    binding: str
    rho_max: float
    full_tpot_s: float
    full_ttft_s: float
    price: str
    measured: bool
    error: float


class PlanRefusal(Schema):
    """A way that cannot be, with the number that shows it."""

    name: str
    limit: str
    reason: str


class PlanView(Schema):
    """The answer, and what it rests on."""

    service: str
    pool: str
    target: float
    start_s: float
    end_s: float
    mean_requests_per_s: float
    points: list[PlanPoint]
    pools: list[PlanPool]
    refused: list[PlanRefusal]
    rests_on: list[str]


class PlanLine(Schema):
    """One line of the stream: how far it is, or the result, or why there is none."""

    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    result: PlanView | None = None
    error: str | None = None


class PlanChoices(Schema):
    """Models and GPU types that the catalogue knows."""

    models: list[str]
    gpus: list[str]


@router.get("/plan/choices")
async def choices() -> PlanChoices:
    """What may be asked about."""
    return PlanChoices(models=list(MODELS), gpus=list(hardware.GPUS))


@router.post(
    "/services/{service}/plan",
    responses=problems(404, 409, 422, 429) | {200: {"model": PlanLine, "content": {LINES: {}}}},
    response_class=StreamingResponse,
)
async def plan(request: Request, ask: PlanAsk, current: Newest, back: Back, known: Known) -> StreamingResponse:
    """Plan with the recorded load; one JSON object a line. Changes nothing."""
    policy = asked_policy(ask, current.policy)
    refuse_names(ask)
    recorded, before = await asyncio.to_thread(past_of, back, current.service, SPANS_S[ask.span])
    if not recorded.known.any():
        raise HTTPException(409, f"no load of {current.service} was recorded in the last {ask.span}; ask later")
    task = Task(known.pool, policy, recorded, before, ask.model, tuple(ask.gpus), ask.max_gpus)

    def view(answer: bytes) -> PlanView:
        return plan_view(current.service, known.pool.name, policy, pickle.loads(answer))

    return computed(request, "autoscaler.impact.whatif_worker", pickle.dumps(task), view)


def asked_policy(ask: PlanAsk, current: Policy) -> Policy:
    """The policy to plan with; 422 for one that is not valid."""
    if ask.policy is None:
        return current
    policy, errors = parsed(ask.policy)
    if policy is None:
        raise HTTPException(422, f"policy: {'; '.join(errors)}")
    return policy


def refuse_names(ask: PlanAsk) -> None:
    """422 for a model or a GPU type that the catalogue does not know."""
    if ask.model is not None and known(ask.model) is None:
        raise HTTPException(422, f"model: {ask.model!r} is not known; GET /api/v1/plan/choices lists them")
    if unknown := [name for name in ask.gpus if name not in hardware.GPUS]:
        raise HTTPException(422, f"gpus: {unknown[0]!r} is not known; GET /api/v1/plan/choices lists them")


def plan_view(service: str, pool: str, policy: Policy, found: WhatIf) -> PlanView:
    """The worker's answer as the API shows it."""
    past, made = found.recorded, found.plan
    known = past.known
    rests = [
        f"{known.sum() * past.tick_s / 3600:.1f} h of recorded load; forecasts as they would have been made then.",
        "The front is by the fluid screen: no spare tiers, no failures, no noise within a minute. It compares settings "
        "and pools; replay a draft on the Policies page before applying it.",
    ]
    if made is not None:
        rests.append("Pools are ranked with replicas that follow the load at once; prices are dated offers.")
        rests.append("Another pool is taken to start as fast as the present one.")
    return PlanView(
        service=service,
        pool=pool,
        target=policy.slo.attainment,
        start_s=float(past.times[0]) - past.tick_s,
        end_s=float(past.times[-1]),
        mean_requests_per_s=float(past.arrivals_per_s[known].mean()),
        points=[point_view(point, policy) for point in found.points],
        pools=[pool_view(one) for one in made.ranked[:TOP]] if made else [],
        refused=[PlanRefusal(name=r.way.name, limit=r.limit, reason=r.reason) for r in made.refused[:TOP]]
        if made
        else [],
        rests_on=rests,
    )


def point_view(point: Point, policy: Policy) -> PlanPoint:
    """One point of the front."""
    changes = {} if point.policy is None else {c.field: c.new for c in diff(policy, point.policy).changes}
    return PlanPoint(
        pool=point.pool,
        kind=point.kind,
        name=point.name,
        usd_per_hour=point.usd_per_hour,
        attainment=point.attainment,
        mean_replicas=point.mean_replicas,
        changes=changes,
    )


def pool_view(one: Carried) -> PlanPool:
    """One ranked pool."""
    way, rests = one.candidate.way, one.candidate.basis
    return PlanPool(
        name=one.candidate.pool.name,
        gpu=way.gpu,
        gpus_per_replica=way.split.gpus,
        split=way.name,
        precision=way.precision,
        mean_replicas=one.mean_replicas,
        peak_replicas=one.peak_replicas,
        usd_per_hour=one.usd_per_hour,
        usd_per_million_tokens=one.usd_per_million,
        binding=one.rho.binding,
        rho_max=one.rho.value,
        full_tpot_s=one.full_tpot_s,
        full_ttft_s=one.full_ttft_s,
        price=one.candidate.offer.words,
        measured=rests.measured,
        error=rests.error,
    )
