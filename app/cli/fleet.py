"""The simulated fleet as a child of ``leadtime up``: the one place that knows how it starts and ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    import ssl

    from app.settings import Settings

STARTER = "leadtime-up"
"""Who holds virtual time during the start."""


def address(settings: Settings) -> tuple[str, int]:
    """Host and port of the fleet."""
    parts = urlsplit(settings.fleet.url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


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

    from app.simulation import fleet_spec
    from runtime.simulated.live import LiveWorld
    from runtime.simulated.server import create_app

    spec = fleet_spec(settings, speed, trace)
    live = LiveWorld(spec.world(), spec.speed)
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


def ended_summary(settings: Settings, api: str, trust: ssl.SSLContext | bool = True) -> list[dict[str, Any]] | None:
    """The summary per service once the trace has ended and its last request is done; None before.

    ``trust`` is by which certificates the API is known.
    """
    import httpx

    from app.credential import signed

    fleet = settings.fleet.url
    try:
        if not httpx.get(f"{fleet}/clock", timeout=10.0).raise_for_status().json()["finished"]:
            return None
        rows = httpx.get(f"{fleet}/fleet/summary", timeout=30.0).raise_for_status().json()
        page = httpx.get(f"{api}/metrics", timeout=10.0, auth=signed, verify=trust).raise_for_status().text
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
