"""``leadtime daemon``: the control loop and its API in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = "Run the control loop and its API."


def daemon(
    config: Annotated[Path, typer.Option(help="The fleet file.")] = Path("fleet.yaml"),
) -> None:
    """Serve until stopped."""
    from app.cli.ports import refuse_used
    from app.daemon.main import run
    from app.settings import load

    settings = load(config)
    refuse_used({"API": (settings.api.host, settings.api.port)})
    run(settings)
