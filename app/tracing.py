"""Traces of ticks and API calls for OpenTelemetry: off unless the fleet file names a collector (extra ``otel``).

Promise: without a collector a span costs next to nothing and goes nowhere; with one, it carries names and statuses,
never bodies, credentials or the words of an error. A collector that is away holds nothing up.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode
from pydantic import Field, field_validator

from app.errors import UserError
from app.section import Section

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SCOPE = "leadtime"


class TracingSettings(Section):
    """Where traces go."""

    otlp_url: str | None = Field(None, description="Collector's OTLP/HTTP address for traces; off if absent.")
    sample: float = Field(1.0, gt=0, le=1, description="Part of the traces that are kept.")

    @field_validator("otlp_url")
    @classmethod
    def address(cls, url: str | None) -> str | None:
        """An address of HTTP."""
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError(f"{url} is no address; give http://HOST:4318/v1/traces")
        return url


@contextmanager
def span(name: str) -> Iterator[Span]:
    """A part of a trace; where something is raised within, it is marked as failed, without the words of the error."""
    tracer = trace.get_tracer(SCOPE)
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as found:
        well = False
        try:
            yield found
            well = True
        finally:
            if not well:
                found.set_status(StatusCode.ERROR)


def start(settings: TracingSettings) -> TracerProvider | None:
    """Send spans from now on; None where no collector is named. Raises ``UserError`` where the extra is missing."""
    if settings.otlp_url is None:
        return None
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        raise UserError("tracing.otlp_url: OpenTelemetry's SDK is not installed; pip install 'leadtime[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    sampler = ParentBased(TraceIdRatioBased(settings.sample))
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": SCOPE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_url, timeout=5)))
    trace.set_tracer_provider(provider)
    return provider
