"""Traces: off by default, a tick and its steps under one root, an API call by its route, nothing secret in either."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from app import tracing
from app.api.backend import Backend
from app.api.main import create_app
from app.daemon import loop
from app.errors import UserError
from app.tracing import TracingSettings, span, start
from tests.app.fakes import World


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a collector would be told."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter


def test_off_by_default() -> None:
    assert start(TracingSettings()) is None
    with span("tick") as found:
        assert not found.is_recording()


async def test_a_tick_and_its_steps_are_one_trace(world: World, told: InMemorySpanExporter) -> None:
    daemon = await world.start()
    await loop.turn(daemon, daemon.memory.now_s + 15)
    spans = {found.name: found for found in told.get_finished_spans()}
    root = spans["turn"].context
    assert {"turn", "trials"} <= set(spans) and root is not None
    assert {found.context.trace_id for found in spans.values() if found.context} == {root.trace_id}


async def test_what_fails_is_marked(world: World, told: InMemorySpanExporter) -> None:
    async def broken(_: object) -> None:
        raise OSError("http://ada:hunter2@prometheus: no answer")

    daemon = await world.start()
    assert not await loop.attempted(daemon, broken)
    failed = told.get_finished_spans()[0]
    assert failed.name == "broken" and not failed.status.is_ok and "hunter2" not in failed.to_json()


async def test_an_api_call_is_named_by_its_route_and_carries_no_credential(
    world: World, told: InMemorySpanExporter
) -> None:
    daemon = await world.start()
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    app = create_app(Backend(daemon.memory, *stores), traces=trace.get_tracer_provider())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as api:
        await api.get("/api/v1/services/chat", headers={"Authorization": "Bearer hunter2"})
    spans = told.get_finished_spans()
    assert "GET /api/v1/services/{service}" in {found.name for found in spans}
    assert "hunter2" not in "".join(found.to_json() for found in spans)


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://"])
def test_an_address_that_is_none_is_a_mistake(url: str) -> None:
    with pytest.raises(ValidationError, match="is no address"):
        TracingSettings(otlp_url=url)


def test_without_the_extra_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'leadtime\[otel\]'"):
        start(TracingSettings(otlp_url="http://127.0.0.1:4318/v1/traces"))
