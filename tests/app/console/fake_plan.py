"""Plans for the fake API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.api.plan_api import PlanAsk, PlanChoices, PlanPoint, PlanPool, PlanRefusal, PlanView
from autoscaler.impact.whatif import Kind

if TYPE_CHECKING:
    from tests.app.console.fake_api import World


def point(pool: str, kind: Kind, name: str, usd: float, attainment: float) -> PlanPoint:
    changes = {"risk.headroom": 1.1} if kind == "ours" else {}
    return PlanPoint(
        pool=pool,
        kind=kind,
        name=name,
        usd_per_hour=usd,
        attainment=attainment,
        mean_replicas=usd / 12.4,
        changes=changes,
    )


def view(service: str, now_s: float, model: str | None) -> PlanView:
    """A front on the present pool and, with a model, on another one."""
    present, other = f"{service}-h100", "H200-fp8-TP2"
    points = [point(present, "policy", "this policy", 92.0, 0.993)]
    points += [point(present, "ours", "our knobs", 70 + 6 * i, 1 - 0.05 * 0.55**i) for i in range(9)]
    points += [point(present, "proportional", f"proportional, {a} %", 60 + a, 0.98 - a / 2000) for a in (50, 70, 90)]
    points += [point(present, "static", f"static, {n}", 12.4 * n, min(1.0, 0.8 + n / 50)) for n in (5, 7, 9, 11)]
    if model:
        points += [point(other, "ours", "our knobs", 50 + 5 * i, 1 - 0.06 * 0.5**i) for i in range(8)]
    pool = PlanPool(
        name=other,
        gpu="H200",
        gpus_per_replica=2,
        split="H200 fp8 TP2",
        precision="fp8",
        mean_replicas=4.2,
        peak_replicas=8,
        usd_per_hour=58.0,
        usd_per_million_tokens=0.31,
        binding="tpot",
        rho_max=0.71,
        full_tpot_s=0.049,
        full_ttft_s=0.8,
        price="somecloud h200 2026-11-01",
        measured=True,
        error=0.08,
    )
    return PlanView(
        service=service,
        pool=present,
        target=0.99,
        start_s=now_s - 86400,
        end_s=now_s,
        mean_requests_per_s=9.4,
        points=points,
        pools=[pool] if model else [],
        refused=[PlanRefusal(name="L4 fp8 TP1", limit="memory", reason="weights take 70 GiB of 24")] if model else [],
        rests_on=["24.0 h of recorded load.", "The front is by the fluid screen."],
    )


def router(world: World) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/plan/choices")
    def choices() -> PlanChoices:
        return PlanChoices(models=["meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-70B"], gpus=["H100", "H200", "L4"])

    @routes.post("/services/{name}/plan")
    def plan(name: str, ask: PlanAsk) -> StreamingResponse:
        world.plans.append(ask)
        found = view(name, world.now(), ask.model)

        def lines() -> Iterator[str]:
            yield json.dumps({"progress": 0.5}) + "\n"
            yield json.dumps({"result": found.model_dump(mode="json")}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return routes
