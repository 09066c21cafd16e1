"""The application as a whole: health, metrics, schemas, and an OpenAPI document that tells the truth."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.app.api.conftest import app_of
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import World


async def test_ready_only_after_the_first_tick(world: World) -> None:
    daemon = await world.start()
    transport = httpx.ASGITransport(app_of(daemon))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 503
        await ticks(daemon, 1)
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_can_be_scraped(api: httpx.AsyncClient) -> None:
    families = {f.name: f for f in text_string_to_metric_families((await api.get("/metrics")).text)}
    assert families["leadtime_ticks"].samples[0].value == 4
    assert families["leadtime_desired_replicas"].samples[0].labels == {"service": "chat"}


async def test_schemas_are_published(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/api/v1/schema")).json()
    assert "replicas" in schemas["policy"]["properties"]
    assert "services" in schemas["settings"]["properties"]


async def test_an_unknown_path_is_one_sentence(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/nothing")).json() == {"detail": "Not Found"}


@pytest.fixture
def contract(tmp_path: Path) -> schemathesis.BaseSchema:
    """The OpenAPI document of an application that has ticked."""

    async def ticked() -> FastAPI:
        daemon = await World(tmp_path).start()
        await ticks(daemon, 2)
        return app_of(daemon)

    return schemathesis.openapi.from_asgi("/openapi.json", asyncio.run(ticked()))


def holds(operation: Any) -> None:
    """Ask an operation what its schema allows, and hold its answers to what they are said to be."""
    names = {parameter.name for parameter in operation.query}
    # That a span begins before it ends cannot be said in OpenAPI, and one that does not is refused all the same.
    excluded = [positive_data_acceptance] if {"start", "end"} <= names else []

    @given(operation.as_strategy())
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def asked(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=excluded)

    asked()


def test_answers_are_as_documented(contract: schemathesis.BaseSchema) -> None:
    for found in contract.get_all_operations():
        holds(found.ok())
