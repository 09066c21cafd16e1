"""``leadtime agent``: the engines of this machine, moved by whoever has the token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from app.errors import UserError

if TYPE_CHECKING:
    from app.settings import Settings
    from app.tlssettings import TlsSettings
    from runtime.agent.client import RemoteFleet

HELP = "Run engines on this machine for a daemon, here or elsewhere."
GRACE_S = 5
TLS_KEY = "fleet.local.tls"


def agent(
    config: Annotated[Path, typer.Option(help="The fleet file.")] = Path("fleet.yaml"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave engines running at the end; the next agent adopts them in time.")
    ] = False,
    node: Annotated[str | None, typer.Option(help="Name of this machine; fleet.local.node if absent.")] = None,
    address: Annotated[str | None, typer.Option(help="Its host to others; fleet.local.address if absent.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM), for HTTPS; fleet.local.tls if absent.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    leave: Annotated[
        bool, typer.Option("--leave", help="Serve nothing: have the agent here end its replicas, and wait for that.")
    ] = False,
) -> None:
    """Serve until stopped."""
    from app.daemon.main import log_to_stderr
    from app.settings import load

    told = {"node": node, "address": address, "tls": certificate(tls_cert, tls_key)}
    settings = placed(load(config), told)
    log_to_stderr()
    if leave:
        leaving(settings)
    else:
        serve(settings, keep)


def serve(settings: Settings, keep: bool) -> None:
    """Until stopped."""
    import uvicorn

    from app.access.tls import renewing
    from app.agenttokens import accepted
    from app.cli.fleet import address
    from app.cli.ports import refuse_used
    from app.fleets import local_spec
    from runtime.agent.server import create_agent
    from runtime.clock import WallClock
    from runtime.local.fleet import LocalFleet

    host, port = address(settings)
    refuse_used({"agent": (host, port)})
    fleet = LocalFleet(local_spec(settings), WallClock())
    local, tls = settings.fleet.local, encryption(settings)
    context = renewing(tls, TLS_KEY) if tls else None
    if context is None:
        exposed(settings.fleet.url)
    served = create_agent(fleet, accepted(settings.fleet.token_file), keep, local.address if local else None)
    uvicorn.run(
        served,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )


def certificate(cert: Path | None, key: Path | None) -> TlsSettings | None:
    """The pair that the command line names, if it does."""
    from app.tlssettings import TlsSettings

    if (cert is None) != (key is None):
        raise UserError("agent: give --tls-cert and --tls-key together")
    return TlsSettings(cert_file=cert, key_file=key) if cert and key else None


def encryption(settings: Settings) -> TlsSettings | None:
    """What this machine's agent shows; None for plain HTTP. Raises ``UserError`` where that is not what its address
    says: daemon and router go by the address.
    """
    url, tls = settings.fleet.url, settings.fleet.local.tls if settings.fleet.local else None
    if url.startswith("https:") and tls is None:
        raise UserError(f"fleet.url {url} is https and {TLS_KEY} is missing; give --tls-cert FILE --tls-key FILE")
    if tls is not None and not url.startswith("https:"):
        raise UserError(f"fleet.url {url} is plain HTTP and the agent has a certificate; give https://HOST:PORT")
    return tls


def exposed(url: str) -> None:
    """Say so where plain HTTP leaves the machine."""
    import structlog

    from app.fleetsettings import LOOPBACK

    if urlsplit(url).hostname not in LOOPBACK:
        remedy = "give --tls-cert and --tls-key, or keep that network to yourself"
        structlog.get_logger().warning("token and orders come unencrypted", url=url, remedy=remedy)


def placed(settings: Settings, told: Mapping[str, object]) -> Settings:
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

    from app.fleets import local_spec
    from runtime.agent.client import Refused, Untrusted
    from runtime.agent.leave import leave
    from runtime.clock import WallClock

    pools = [(engine.service, engine.pool) for engine in local_spec(settings).engines]
    try:
        asyncio.run(leave(beside(settings), pools, WallClock()))
    except (Untrusted, Refused) as error:
        raise UserError(f"agent: {error}") from None
    except httpx.TransportError as error:
        structlog.get_logger().warning("the agent does not answer", why=str(error))


def beside(settings: Settings) -> RemoteFleet:
    """The agent of this machine, known by its own certificate where it has one."""
    from app.access.tls import check, pinned
    from app.agenttokens import shown
    from app.cli.fleet import address
    from runtime.agent.client import RemoteFleet

    tls, port, token = encryption(settings), address(settings)[1], shown(settings.fleet.token_file)
    if tls is None:
        return RemoteFleet(f"http://127.0.0.1:{port}", token)
    check(tls, TLS_KEY)
    return RemoteFleet(f"https://127.0.0.1:{port}", token, trust=pinned(tls))
