"""The simulated fleet as a child of ``leadtime up``: the one place that knows how it starts and ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from app.errors import UserError

if TYPE_CHECKING:
    from app.settings import ServiceSettings, Settings
    from runtime.simulated.replicas import SimulatedService
    from runtime.simulated.workload import Workload

SEED = 7
"""Seed of every draw of a simulated run: two runs see the same requests and the same lead times."""


def address(settings: Settings) -> tuple[str, int]:
    """Host and port of the fleet."""
    parts = urlsplit(settings.fleet.url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def fleet(
    config: Annotated[Path, typer.Option()],
    speed: Annotated[float, typer.Option()] = 1.0,
    trace: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Serve the simulated fleet until stopped."""
    from app.settings import load

    serve(load(config), speed, trace)


def serve(settings: Settings, speed: float, trace: Path | None) -> None:
    """Build the fleet's specification and run it."""
    from runtime.simulated import server

    services = tuple(simulated(service) for service in settings.services)
    host, port = address(settings)
    server.serve(server.FleetSpec(services, workload(settings, trace), speed, SEED), host, port)


def simulated(service: ServiceSettings) -> SimulatedService:
    """A service as the simulation needs it; it starts with as many replicas as its policy allows at least."""
    from runtime.simulated.outcomes import LatencyTarget
    from runtime.simulated.replicas import SimulatedService

    slo, bounds = service.policy.slo, service.policy.replicas
    target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    return SimulatedService(service.name, service.pool, target, bounds.min, bounds.max)


def workload(settings: Settings, trace: Path | None) -> Workload:
    """The trace for the first service, or the built-in workload for the services that it knows."""
    from runtime.simulated.workload import SyntheticWorkload, TraceWorkload, default_services

    names = settings.service_names()
    if trace is not None:
        from runtime.traces.load import load
        from runtime.traces.trace import TraceError

        try:
            return TraceWorkload(load(trace), names[0], start_s(names))
        except (TraceError, OSError) as error:
            raise UserError(str(error)) from None
    loads = {load.name: load for load in default_services()}
    unknown = [name for name in names if name not in loads]
    if unknown:
        raise UserError(
            f"service {unknown[0]}: the built-in workload has none for it; name services {', '.join(loads)} "
            "or give --trace"
        )
    return SyntheticWorkload([loads[name] for name in names], start_s(names), SEED)


def start_s(names: list[str]) -> float:
    """When virtual time starts: some minutes before the morning peak of today."""
    import time

    today = time.time() // 86400 * 86400
    return today + 9 * 3600 + 3 * 60


def ended_summary(settings: Settings, api: str) -> list[dict[str, Any]] | None:
    """The summary per service once the trace has ended and its last request is done; None before."""
    import httpx

    fleet = settings.fleet.url
    try:
        if not httpx.get(f"{fleet}/clock", timeout=10.0).raise_for_status().json()["finished"]:
            return None
        rows = httpx.get(f"{fleet}/fleet/summary", timeout=30.0).raise_for_status().json()
        page = httpx.get(f"{api}/metrics", timeout=10.0).raise_for_status().text
    except httpx.HTTPError:
        return None  # a child that has died is noticed by the supervisor
    decisions = decisions_of(page)
    return [{**row, "decisions": decisions.get(row["service"], 0)} for row in rows]


def decisions_of(page: str) -> dict[str, int]:
    """Decisions taken per service, from the daemon's own metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    counts: dict[str, int] = {}
    for family in text_string_to_metric_families(page):
        if family.name == "leadtime_decision":
            for sample in family.samples:
                service = sample.labels["service"]
                counts[service] = counts.get(service, 0) + int(sample.value)
    return counts
