"""``leadtime router``: the OpenAI-compatible gateway in front of the fleet's replicas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from runtime.router.spec import RouterSpec

HELP = "Run the gateway that clients talk to."


def router(
    config: Annotated[Path, typer.Option(help="The fleet file; SIGHUP reads it again.")] = Path("fleet.yaml"),
) -> None:
    """Serve until stopped."""
    from app.cli.ports import refuse_used
    from app.credential import credential, signed
    from app.daemon.main import log_to_stderr
    from app.fleets import fleet_of
    from app.routing import router_spec
    from app.settings import load
    from runtime.router.server import create_router, serve

    credential()  # a file that cannot be read is told now
    settings = load(config)
    where = (settings.router.host, settings.router.port)
    refuse_used({"router": where})
    log_to_stderr()
    made = create_router(
        router_spec(settings),
        fleet_of(settings),
        settings.router.poll_s,
        settings.router.wake_url,
        lambda: again(config),
        signed,
    )
    serve(made, *where)


def again(config: Path) -> RouterSpec:
    """The file read again; a mistake in it is a ValueError, for a running router goes on with what it has."""
    from app.errors import UserError
    from app.routing import router_spec
    from app.settings import load

    try:
        return router_spec(load(config))
    except UserError as error:
        raise ValueError(str(error)) from None
