"""The gRPC server around the calls: where it listens, by which certificates, and how it ends."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import structlog

from app.credential import credential, signed
from app.errors import UserError
from app.externalscaler import wire
from app.externalscaler.calls import Calls, Pace
from app.externalscaler.desired import Asked
from runtime.clock import Clock, WallClock

log = structlog.get_logger(__name__)

GRACE_S = 2.0
OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024))
"""Two servers on one port would share the calls in silence; what KEDA asks is a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files; with ``client_ca`` only clients with a certificate of that authority are answered."""

    cert: Path
    key: Path
    client_ca: Path | None = None


def create_server(asked: Asked, clock: Clock, pace: Pace | None = None) -> Any:
    """A ``grpc.aio.Server`` that listens nowhere yet."""
    calls = Calls(asked, clock, pace or Pace())
    of = {"request_deserializer": wire.scaled_object}
    handlers = {
        "IsActive": grpc.unary_unary_rpc_method_handler(calls.is_active, **of),
        "StreamIsActive": grpc.unary_stream_rpc_method_handler(calls.stream_is_active, **of),
        "GetMetricSpec": grpc.unary_unary_rpc_method_handler(calls.get_metric_spec, **of),
        "GetMetrics": grpc.unary_unary_rpc_method_handler(calls.get_metrics, wire.metric_request),
    }
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.SERVICE, handlers),))
    return server


def listen(server: Any, address: str, tls: Tls | None) -> int:
    """Take the address; gives the port. Raises ``UserError`` for certificates that cannot be read or used."""
    try:
        if tls is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials(tls)))
    except RuntimeError as error:
        raise UserError(
            f"{address}: cannot listen ({error}); give a free address and a certificate with its key"
        ) from None


def credentials(tls: Tls) -> Any:
    """What gRPC makes of the files."""
    authority = read(tls.client_ca) if tls.client_ca else None
    pair = (read(tls.key), read(tls.cert))
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def read(path: Path) -> bytes:
    """A PEM file; raises ``UserError``."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give a PEM file") from None


async def serve(api: str, address: str, tls: Tls | None) -> None:
    """Serve until a signal; calls under way are given a moment."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    credential()  # a file that cannot be read is told now and not to KEDA
    async with httpx.AsyncClient(auth=signed) as client:
        server = create_server(Asked(api, client), WallClock())
        listen(server, address, tls)
        await server.start()
        log.info("answers KEDA", address=address, api=api, tls=tls is not None)
        await stop.wait()
        await server.stop(GRACE_S)
