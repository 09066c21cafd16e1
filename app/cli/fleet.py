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

STARTER = "leadtime-up"
"""Who holds virtual time during the start."""

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
    """Build the fleet and run it; faster than real time it stands still until ``release``, or silence."""
    import time

    import uvicorn

    from runtime.simulated.live import LiveWorld
    from runtime.simulated.server import create_app
    from runtime.simulated.world import World

    services = tuple(simulated(service) for service in settings.services)
    live = LiveWorld(World(services, workload(settings, trace), SEED), speed)
    live.pacer.hold(STARTER, live.world.now_s, time.monotonic())
    host, port = address(settings)
    uvicorn.run(
        create_app(live), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )


def hold(settings: Settings) -> None:
    """Keep virtual time where it is while the others start: a replay should not run on before anybody steers it."""
    clock("wait", settings, {"client": STARTER, "at_s": 0.0})


def release(settings: Settings) -> None:
    """Let virtual time pass."""
    clock("release", settings, {"client": STARTER})


def clock(what: str, settings: Settings, body: dict[str, Any]) -> None:
    """Tell the fleet's clock something; a fleet that is not there yet has no time to hold."""
    from contextlib import suppress

    import httpx

    with suppress(httpx.TransportError):
        httpx.post(f"{settings.fleet.url}/clock/{what}", json=body, timeout=5.0)


def simulated(service: ServiceSettings) -> SimulatedService:
    """A service as the simulation needs it; it starts with as many replicas as its policy allows at least."""
    from runtime.simulated.outcomes import LatencyTarget
    from runtime.simulated.replicas import SimulatedService

    slo, bounds = service.policy.slo, service.policy.replicas
    target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    return SimulatedService(service.name, service.pool, target, bounds.min, bounds.max)


def workload(settings: Settings, trace: Path | None) -> Workload:
    """The trace for the first service, or the built-in workload for the services that it knows."""
    import time

    from runtime.simulated.workload import SyntheticWorkload, TraceWorkload, default_services

    names = settings.service_names()
    if trace is not None:
        from runtime.traces.load import load
        from runtime.traces.trace import TraceError

        try:
            return TraceWorkload(load(trace), names[0], start_s(time.time()))
        except (TraceError, OSError) as error:
            raise UserError(str(error)) from None
    loads = {load.name: load for load in default_services()}
    unknown = [name for name in names if name not in loads]
    if unknown:
        raise UserError(
            f"service {unknown[0]}: the built-in workload has none for it; name services {', '.join(loads)} "
            "or give --trace"
        )
    return SyntheticWorkload([loads[name] for name in names], start_s(time.time()), SEED)


def start_s(wall_s: float) -> float:
    """When virtual time starts: some minutes before the morning peak of the newest weekday, UTC seconds."""
    day = int(wall_s // 86400)
    weekday = (day + 3) % 7  # the epoch was a Thursday, Monday is 0
    return (day - max(0, weekday - 4)) * 86400 + 9 * 3600 + 3 * 60


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
