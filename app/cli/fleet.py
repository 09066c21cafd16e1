"""The simulated fleet as a child of ``leadtime up``: the one place that knows how it starts and ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from app.settings import Settings


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
    raise NotImplementedError


def ended_summary(settings: Settings) -> list[dict[str, Any]] | None:
    """The summary per service once the trace has ended and its last request is done; None before."""
    raise NotImplementedError
