"""``leadtime console``: the Streamlit console against an API, on loopback unless told otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.client import API, API_HELP
from app.credential import TOKEN, credential
from app.errors import UserError

HELP = "Serve the web console."
SCRIPT = Path(__file__).parent.parent / "console" / "main.py"


def refuse_shared(host: str) -> None:
    """Raise ``UserError`` where everybody who reaches the console would act with this process's own credential."""
    from app.fleetsettings import LOOPBACK

    if host not in LOOPBACK and credential() is not None:
        raise UserError(
            f"--host {host}: everybody who reaches it would act with {TOKEN}; unset it: each signs in for themselves"
        )


def console_command(host: str, port: int, secrets: Path | None = None) -> list[str]:
    """The call that serves the console there."""
    from app.console.options import arguments

    more = {} if secrets is None else {"secrets_files": str(secrets)}
    options = arguments(server_address=host, server_port=str(port), **more)
    return [sys.executable, "-m", "streamlit", "run", str(SCRIPT), *options]


def console(
    api: Annotated[str, typer.Option(help=API_HELP)] = API,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    secrets: Annotated[Path | None, typer.Option(help="secrets.toml with [auth]: sign in by OpenID Connect.")] = None,
) -> None:
    """Serve until stopped; takes this process over, so that signals reach the server itself."""
    from app.cli.ports import refuse_used

    refuse_shared(host)
    refuse_used({"console": (host, port)})
    if secrets is not None and not secrets.is_file():
        raise UserError(f"--secrets {secrets}: no such file; docs/security.md says what stands in it")
    command = console_command(host, port, secrets)
    os.execve(command[0], command, {**os.environ, "LEADTIME_API": api})
