"""``leadtime agent``: the engines of this machine, moved by whoever has the token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = "Run engines on this machine for a daemon, here or elsewhere."
GRACE_S = 5


def agent(
    config: Annotated[Path, typer.Option(help="The fleet file.")] = Path("fleet.yaml"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave engines running at the end; the next agent adopts them in time.")
    ] = False,
) -> None:
    """Serve until stopped."""
    import uvicorn

    from app.cli.fleet import address
    from app.cli.ports import refuse_used
    from app.daemon.main import log_to_stderr
    from app.fleets import local_spec, token
    from app.settings import load
    from runtime.agent.server import create_agent
    from runtime.clock import WallClock
    from runtime.local.fleet import LocalFleet

    settings = load(config)
    host, port = address(settings)
    refuse_used({"agent": (host, port)})
    fleet = LocalFleet(local_spec(settings), WallClock())
    log_to_stderr()
    local = settings.fleet.local
    served = create_agent(fleet, token(settings.fleet.token_file), keep, local.address if local else None)
    uvicorn.run(served, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S)
