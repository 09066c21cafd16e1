"""``leadtime agent``: the engines of this machine, moved by whoever has the token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.settings import Settings

HELP = "Run engines on this machine for a daemon, here or elsewhere."
GRACE_S = 5


def agent(
    config: Annotated[Path, typer.Option(help="The fleet file.")] = Path("fleet.yaml"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave engines running at the end; the next agent adopts them in time.")
    ] = False,
    node: Annotated[str | None, typer.Option(help="Name of this machine; fleet.local.node if absent.")] = None,
    address: Annotated[str | None, typer.Option(help="Its host to others; fleet.local.address if absent.")] = None,
    leave: Annotated[
        bool, typer.Option("--leave", help="Serve nothing: have the agent here end its replicas, and wait for that.")
    ] = False,
) -> None:
    """Serve until stopped."""
    from app.daemon.main import log_to_stderr
    from app.settings import load

    settings = placed(load(config), {"node": node, "address": address})
    log_to_stderr()
    if leave:
        leaving(settings)
    else:
        serve(settings, keep)


def serve(settings: Settings, keep: bool) -> None:
    """Until stopped."""
    import uvicorn

    from app.cli.fleet import address
    from app.cli.ports import refuse_used
    from app.fleets import local_spec, token
    from runtime.agent.server import create_agent
    from runtime.clock import WallClock
    from runtime.local.fleet import LocalFleet

    host, port = address(settings)
    refuse_used({"agent": (host, port)})
    fleet = LocalFleet(local_spec(settings), WallClock())
    local = settings.fleet.local
    served = create_agent(fleet, token(settings.fleet.token_file), keep, local.address if local else None)
    uvicorn.run(served, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S)


def placed(settings: Settings, told: dict[str, str | None]) -> Settings:
    """The settings for one machine of several that read the same file."""
    given = {key: value for key, value in told.items() if value is not None}
    if settings.fleet.local is None or not given:
        return settings
    local = settings.fleet.local.model_copy(update=given)
    return settings.model_copy(update={"fleet": settings.fleet.model_copy(update={"local": local})})


def leaving(settings: Settings) -> None:
    """Empty the agent of this machine; one that does not answer has nothing left."""
    import asyncio

    import httpx
    import structlog

    from app.cli.fleet import address
    from app.fleets import local_spec, token
    from runtime.agent.client import RemoteFleet
    from runtime.agent.leave import leave
    from runtime.clock import WallClock

    fleet = RemoteFleet(f"http://127.0.0.1:{address(settings)[1]}", token(settings.fleet.token_file))
    pools = [(engine.service, engine.pool) for engine in local_spec(settings).engines]
    try:
        asyncio.run(leave(fleet, pools, WallClock()))
    except httpx.TransportError as error:
        structlog.get_logger().warning("the agent does not answer", why=str(error))
