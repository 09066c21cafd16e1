"""The daemon's process: the loop and the API in one event loop; the end of either is the end of both."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from types import FrameType

import httpx
import structlog
import uvicorn
from structlog.typing import EventDict

from app import tracing
from app.access import tls
from app.access.wiring import access_of
from app.api.backend import Backend
from app.api.main import create_app
from app.daemon import loop
from app.daemon.leading import lead
from app.daemon.parts import Daemon
from app.daemon.wiring import check_source, wire
from app.reports import schedule
from app.reports.wiring import books_for, scheduler_for
from app.settings import Settings
from collectors.redact import redacted
from runtime.kubernetes.lease import LostLease

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Serve until a signal; raises ``UserError`` where the settings point at something that cannot be used."""
    log_to_stderr()
    asyncio.run(serve(settings))


def log_to_stderr() -> None:
    """One line per event: time, level, event, key=value."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            without_secrets,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Every text of a log line, without the credentials in it."""
    return {key: redacted(value) if isinstance(value, str) else value for key, value in event.items()}


async def serve(settings: Settings) -> None:
    """Run loop and API side by side, and lead if that can be; a lead that is lost is the end of it all."""
    if settings.api.tls is not None:
        tls.check(settings.api.tls)
    daemon = wire(settings)
    await check_source(daemon.source)
    server = server_of(settings, daemon)
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server stops at a signal and then hands it on; what is left to do here comes after that.
        signal.signal(number, stopped)
    ticking = asyncio.create_task(loop.run(daemon))
    serving = asyncio.create_task(server.serve())
    leading = asyncio.create_task(lead(daemon))
    reporting = asyncio.create_task(schedule.run(scheduler_for(settings, daemon)))
    beside = {ticking, serving, leading, reporting}
    done, waiting = await asyncio.wait(beside, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await close(daemon)
    for task in done:
        ended(task)


def server_of(settings: Settings, daemon: Daemon) -> uvicorn.Server:
    """The API behind its door, on its address."""
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    assert daemon.tokens is not None, "wired"
    assert daemon.costs is not None, "wired"
    books = books_for(settings, daemon.costs, daemon.history)
    backend = Backend(daemon.memory, *stores, daemon.leader, daemon.resources, daemon.tokens, daemon.audit, books)
    backend = replace(backend, approvals=daemon.approvals)
    files, limits, traces = settings.api.tls, settings.api.limits, tracing.start(settings.tracing)
    shown = tls.renewing(files, "api.tls") if files else None
    trust = tls.sharing(files) if files else True
    app = create_app(
        backend, access=access_of(settings.api, daemon.tokens), trust=trust, body_bytes=limits.body_bytes, traces=traces
    )
    config = uvicorn.Config(
        app,
        host=settings.api.host,
        port=settings.api.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # an address that a header claims is nobody's
        limit_concurrency=limits.connections,
        ssl_context_factory=(lambda _config, _default: shown) if shown else None,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def ended(task: asyncio.Task[None]) -> None:
    """Pass on what a task ended by: a defect in the loop ends the process with its traceback, a lost lead in a line."""
    try:
        task.result()
    except LostLease as error:
        log.error("the lead is lost, so this process ends", reason=str(error))
        raise SystemExit(1) from None


def stopped(number: int, frame: FrameType | None) -> None:
    """Nothing: the server has stopped already."""


async def close(daemon: Daemon) -> None:
    """Let go of the lead, of the fit under way, of connections and of the clock."""
    await daemon.leader.release()
    await daemon.leader.close()
    await daemon.fitting.stop()
    await daemon.searching.stop()
    await daemon.source.close()
    if daemon.resources is not None:
        await daemon.resources.close()
    await daemon.fleet.close()
    with suppress(httpx.HTTPError):  # a fleet that has gone holds no time for us
        await daemon.clock.close()
