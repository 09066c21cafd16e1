"""``leadtime agent``: the fleet of one machine, served to whoever knows its token.

An order is a target per pool and tier, as everywhere; launching, waking, sleeping, draining and stopping follow from
it. Whoever can reach this address can start processes on this machine: everything but ``/healthz`` asks for the
token, and compares it in constant time. Several tokens may be valid at once, while one takes the place of another.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runtime.agent import messages
from runtime.agent.page import MEDIA_TYPE, page
from runtime.fleet import Fleet
from runtime.replica import Replica, Tier

BODY_BYTES = 1 << 20

Tokens = Callable[[], Sequence[str]]
"""All that are valid at that moment."""


class Event(Protocol):
    """One thing that happened to a replica."""

    @property
    def at_s(self) -> float:
        """When, UTC seconds."""
        ...

    @property
    def replica(self) -> str:
        """To whom; a pool's name where it concerns no single one."""
        ...

    @property
    def what(self) -> str:
        """A word for it."""
        ...

    @property
    def why(self) -> str:
        """One sentence."""
        ...


class Hosted(Fleet, Protocol):
    """A fleet that lives in this process and is started and closed with it."""

    async def start(self) -> None:
        """Adopt what still runs, and begin to move replicas."""
        ...

    async def close(self, *, stop: bool = True) -> None:
        """End every replica, or leave them for the next one to adopt."""
        ...

    async def rooms(self) -> dict[str, int]:
        """How many replicas of each pool there are slots for."""
        ...

    def events(self) -> Sequence[Event]:
        """What happened, oldest first; bounded in number."""
        ...

    def counts(self) -> dict[tuple[str, str], int]:
        """How often something happened since the start, by (pool, word)."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets in who has a token that is valid now; with None, everybody (for loopback only, which the CLI sees to)."""

    tokens: Tokens | None

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Pass on, or 401."""
        given = request.headers.get("authorization", "").encode()
        if self.tokens is None or request.url.path == "/healthz":
            return await call_next(request)
        if any(hmac.compare_digest(given, f"Bearer {token}".encode()) for token in self.tokens()):
            return await call_next(request)
        wrong = "the token is not right" if given else "give the agent's token: Authorization: Bearer TOKEN"
        return JSONResponse({"detail": wrong}, 401, {"WWW-Authenticate": "Bearer"})


def create_agent(
    fleet: Hosted, token: str | Tokens | None, keep: bool = False, address: str | None = None
) -> Starlette:
    """The fleet as an ASGI application, which starts and closes it; with ``keep`` its replicas go on without it.
    ``token`` may be asked for anew at every request. ``address`` is the host under which other machines reach the
    engines; None where none do.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await fleet.start()
        try:
            yield
        finally:
            await fleet.close(stop=not keep)

    api = _Api(fleet, address)
    gets: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/healthz": api.healthz,
        "/metrics": api.metrics,
        "/sd": api.service_discovery,
        "/fleet/replicas": api.replicas,
        "/fleet/racks": api.racks,
        "/fleet/lead_times": api.lead_times,
        "/fleet/rooms": api.rooms,
        "/fleet/nodes": api.nodes,
        "/fleet/events": api.events,
    }
    routes = [Route(path, handler) for path, handler in gets.items()]
    routes.append(Route("/fleet/targets", api.targets, methods=["PUT"]))
    routes.append(Route("/fleet/racks", api.hold, methods=["PUT"]))
    guard = Guard((lambda: (token,)) if isinstance(token, str) else token)
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


class _Api:
    def __init__(self, fleet: Hosted, address: str | None) -> None:
        self.fleet = fleet
        self.address = address

    async def _replicas(self) -> list[Replica]:
        return [reached(replica, self.address) for replica in await self.fleet.replicas()]

    async def healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def replicas(self, _: Request) -> Response:
        return JSONResponse(messages.rows(await self._replicas()))

    async def racks(self, _: Request) -> Response:
        return JSONResponse(messages.rows(await self.fleet.racks()))

    async def lead_times(self, _: Request) -> Response:
        return JSONResponse(messages.rows(await self.fleet.lead_times()))

    async def rooms(self, _: Request) -> Response:
        return JSONResponse(await self.fleet.rooms())

    async def nodes(self, _: Request) -> Response:
        """Engines of one machine have no exporter of ours beside them; Prometheus scrapes dcgm-exporter itself."""
        return JSONResponse([])

    async def events(self, _: Request) -> Response:
        told = self.fleet.events()
        return JSONResponse([{"at_s": e.at_s, "replica": e.replica, "what": e.what, "why": e.why} for e in told])

    async def targets(self, request: Request) -> Response:
        body = await _body(request)
        try:
            await self.fleet.apply(messages.pool_targets(body), str(body.get("decision_id")))
        except (KeyError, ValueError) as error:
            raise HTTPException(422, _said(error)) from error
        return JSONResponse({"decision_id": body.get("decision_id")})

    async def hold(self, request: Request) -> Response:
        body = await _body(request)
        try:
            await self.fleet.hold(messages.rack_targets(body), str(body.get("decision_id")))
        except (KeyError, ValueError) as error:
            raise HTTPException(422, _said(error)) from error
        return JSONResponse({"decision_id": body.get("decision_id")})

    async def metrics(self, _: Request) -> Response:
        return PlainTextResponse(page(await self.fleet.replicas(), self.fleet.counts()), media_type=MEDIA_TYPE)

    async def service_discovery(self, request: Request) -> Response:
        """Prometheus HTTP service discovery: every engine that has a metrics page, with its labels, and the agent."""
        groups = [_group(request.url.netloc, "/metrics", __scheme__=request.url.scheme, leadtime_job="agent")]
        groups += [_engine(replica) for replica in await self._replicas() if _has_page(replica)]
        return JSONResponse(groups)


def reached(replica: Replica, address: str | None) -> Replica:
    """The replica with its engine's address as other machines know it."""
    url = urlsplit(replica.base_url)
    if address is None or url.port is None:
        return replica
    host = f"[{address}]" if ":" in address else address
    return replace(replica, base_url=url._replace(netloc=f"{host}:{url.port}").geturl())


def _has_page(replica: Replica) -> bool:
    return bool(replica.base_url) and replica.tier in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)


def _engine(replica: Replica) -> dict[str, Any]:
    url = urlsplit(replica.base_url)
    labels = {"leadtime_service": replica.service, "leadtime_pool": replica.pool, "leadtime_replica": replica.name}
    return _group(url.netloc, f"{url.path.rstrip('/')}/metrics", **labels)


def _group(host: str, path: str, **labels: str) -> dict[str, Any]:
    return {"targets": [host], "labels": {"__metrics_path__": path, **labels}}


async def _body(request: Request) -> dict[str, Any]:
    """The order as a JSON object; 413 for a large one, 400 for anything else."""
    raw = b""
    async for piece in request.stream():
        raw += piece
        if len(raw) > BODY_BYTES:
            raise HTTPException(413, f"an order of more than {BODY_BYTES} bytes")
    return _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is no JSON object")
    return body


def _said(error: Exception) -> str:
    """A KeyError's own text puts quotes around the sentence."""
    return str(error.args[0]) if error.args else type(error).__name__
