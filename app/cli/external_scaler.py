"""``leadtime external-scaler``: the decided number of replicas for KEDA."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from app.cli.client import API, API_HELP
from app.errors import UserError

HELP = "Tell KEDA how many replicas are wanted."


def external_scaler(
    api: Annotated[str, typer.Option(help=API_HELP)] = API,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 in a pod.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8850,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM); without one, plain text.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="Answer only clients that this authority vouches for.")] = None,
) -> None:
    """Serve until stopped."""
    if importlib.util.find_spec("grpc") is None:
        raise UserError("external-scaler: grpcio is not installed; pip install 'leadtime[keda]'")
    import asyncio

    from app.cli.ports import refuse_used
    from app.daemon.main import log_to_stderr
    from app.externalscaler.server import Tls, serve

    if (tls_cert is None) != (tls_key is None) or (client_ca and tls_cert is None):
        raise UserError("external-scaler: give --tls-cert and --tls-key together; --client-ca needs both")
    tls = Tls(tls_cert, tls_key, client_ca) if tls_cert and tls_key else None
    refuse_used({"external scaler": (host, port)})
    log_to_stderr()
    asyncio.run(serve(api, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", tls))
