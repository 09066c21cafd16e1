"""The HTTP API as one application: routes, errors in one form, OpenAPI."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider

from app.access.guard import Access, Guard
from app.api.access import router as access_routes
from app.api.audit import router as audit
from app.api.backend import Backend
from app.api.cost import router as cost
from app.api.decisions import router as decisions
from app.api.errors import install, problems
from app.api.forecasts import router as forecasts
from app.api.health import router as health
from app.api.impact import router as impact
from app.api.leading import only_the_leader_writes
from app.api.nodes import router as nodes
from app.api.overrides import router as overrides
from app.api.plan_api import router as plan_api
from app.api.policies import router as policies
from app.api.proposals import router as proposals
from app.api.racks import router as racks
from app.api.savings import router as savings
from app.api.services import router as services
from app.api.shadow import router as shadow
from app.api.timeline import router as timeline
from app.api.tuning import router as tuning
from app.api.watch import router as watch
from app.settings import Settings
from autoscaler.policy import Policy

ABOUT = "What a fleet of LLM serving replicas does, what it will need, and why every decision was made."


PARTS = (services, forecasts, decisions, policies, overrides, shadow, watch, tuning, racks, access_routes, audit)


AT_THE_DOOR = (401, 403, 413, 429)
"""What any route may answer before it is asked: who is it, may they, is it too much."""

BODY_BYTES = 2**20
"""A policy is a few thousand bytes."""


def create_app(
    backend: Backend,
    transport: httpx.AsyncBaseTransport | None = None,
    access: Access | None = None,
    trust: ssl.SSLContext | bool = True,
    body_bytes: int = BODY_BYTES,
    traces: TracerProvider | None = None,
) -> FastAPI:
    """The application over a backend; it starts nothing and owns nothing. ``transport`` is the way to a leader.

    ``access`` says who may ask, everybody if absent; ``trust`` by which certificates a leader is known. What is added
    last stands outermost: the guard.
    """
    app = FastAPI(
        title="Leadtime",
        version="1",
        description=ABOUT,
        responses=problems(*AT_THE_DOOR),
        max_body_size=body_bytes,
        telemetry=telemetry(traces),
    )
    app.state.backend = backend
    install(app)
    app.middleware("http")(only_the_leader_writes(transport, trust))
    app.add_middleware(Guard, access=access or Access())
    app.include_router(health)
    for part in PARTS:
        app.include_router(part, prefix="/api/v1")
    for part in (
        timeline,
        impact,
        proposals,
        nodes,
        plan_api,
        cost,
        savings,
    ):  # what the console's pages read beside these
        app.include_router(part, prefix="/api/v1")
    app.add_api_route("/api/v1/schema", schema, tags=["policies"])
    return app


def telemetry(traces: TracerProvider | None) -> TelemetryConfig:
    """What the framework tells a collector: spans, if there is one."""
    return {"tracing": traces is not None, "tracer_provider": traces, "metrics": False, "logs": False}


async def schema() -> dict[str, Any]:
    """JSON Schemas of the policy and of the fleet file, for editors and forms."""
    return {"policy": Policy.model_json_schema(), "settings": Settings.model_json_schema()}
