"""Cost for the fake API: real books over hours made up for the fake fleet, so that pages see what the API would say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from app.api.savings import SavingsAsk
from app.reports import build, views
from app.reports.books import Books
from autoscaler.cost.account import Terms
from autoscaler.cost.budget import Budget
from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.store import CostStore, TenantUse
from collectors.history import History
from collectors.store import open_store
from tests.autoscaler.cases import POOL

if TYPE_CHECKING:
    from tests.app.console.fake_api import World

HOUR, DAYS = 3_600_000, 15


def hour(index: int, start: int, place: int, service: str) -> tuple[Held, Used]:
    """An hour of a service: replicas follow the time of day, the first services are the dearest."""
    swing = math.sin((index % 24 - 8) / 24 * 2 * math.pi)
    replicas = max(1, round((6 - place) * (1 + 0.5 * swing) + (4 if index % 97 == 0 else 0)))
    ms = POOL.gpus_per_replica * HOUR
    charged = dict.fromkeys(STATES, 0) | {"active": replicas * ms, "standby": ms, "moving": ms // 20}
    held_ms = sum(charged.values())
    held = Held(
        start, service, f"{service}-h100", 2_500_000, charged, held_ms, round(0.7 * replicas * ms), replicas * ms
    )
    tokens = 2e7 * replicas
    used = Used(
        start, service, HOUR, HOUR, HOUR, tokens, 0.3 * tokens, 0.25 * tokens, tokens / 900, 1.1e6 * replicas, held_ms
    )
    return held, used


def books_of(world: World) -> Books:
    """Two weeks before now."""
    engine = open_store("sqlite://")
    store, now = CostStore(engine), int(world.now() // 3600 * 3600)
    rows = [
        hour(index, now - 3600 * (24 * DAYS - index), place, one.name)
        for index in range(24 * DAYS)
        for place, one in enumerate(world.services)
    ]
    tenants = [TenantUse(held.hour_s, ("acme", "globex")[at % 2], 3e7, 9e3) for at, (held, _) in enumerate(rows)]
    store.add([held for held, _ in rows], [used for _, used in rows], tenants)
    services = {one.name: (replace(POOL, name=f"{one.name}-h100", service=one.name),) for one in world.services}
    budgets = (Budget("fleet", 30_000.0), Budget("chat", 50_000.0, "chat-70b"))
    return Books(
        store, History(engine), services, Terms(platform_usd_per_hour=1.0), budgets=budgets, stock={"H100": 64}
    )


def router(world: World) -> APIRouter:
    """The cost routes."""
    api = APIRouter(prefix="/cost")
    kept: dict[str, Books] = {}

    def books() -> Books:
        if world.mode == "error":
            raise HTTPException(500, "the store does not answer")
        name = "empty" if world.mode in ("empty", "young") else "full"
        if name not in kept:
            kept[name] = books_of(world) if name == "full" else empty(world)
        return kept[name]

    @api.get("")
    def cost(start: float, end: float, service: str | None = None) -> views.CostView:
        return build.cost_view(books(), books().statement(start, end, service), service)

    @api.get("/series")
    def series(start: float, end: float, service: str | None = None, max_points: int = 200) -> views.CostSeries:
        return build.series_view(books(), books().statement(start, end, service), max_points, service)

    @api.get("/budgets")
    def budgets() -> list[views.BudgetView]:
        return [build.budget_view(one) for one in books().standings(world.now())]

    @api.get("/savings")
    def savings(start: float, end: float, service: str | None = None) -> views.SavingsView:
        one = views.SavingView(
            against="static-peak",
            setting="9 replicas all the time",
            days=6,
            actual_usd=4000,
            counterfactual_usd=6480,
            saved_usd=2480,
            low_usd=2100,
            high_usd=2900,
            saved_share=0.38,
            attainment=1.0,
        )
        return views.SavingsView(start_s=start, end_s=end, service=service, savings=[one], missing=[])

    @api.post("/savings")
    def played(ask: SavingsAsk) -> StreamingResponse:
        found = savings(ask.start or 0.0, ask.end or 0.0, ask.service)
        lines = ({"progress": 0.5}, {"result": found.model_dump(mode="json")})
        return StreamingResponse((json.dumps(line) + "\n" for line in lines), media_type="application/x-ndjson")

    @api.get("/capacity")
    def capacity(start: float, end: float) -> list[views.CapacityLine]:
        return build.capacity_views(books(), books().statement(start, end))

    return api


def empty(world: World) -> Books:
    """Nothing metered."""
    engine = open_store("sqlite://")
    return Books(CostStore(engine), History(engine), {})
