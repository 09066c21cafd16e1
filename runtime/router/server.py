"""The router as a server: its pages, the fleet that it follows, and whom it tells when requests wait.

Promise: a fleet that cannot be asked changes nothing, replicas that were in rotation stay there; a configuration that
is wrong is told and changes nothing either.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from runtime.fleet import Fleet
from runtime.router.gateway import Gateway
from runtime.router.page import MEDIA_TYPE, page
from runtime.router.spec import RouterSpec
from runtime.router.upstream import Upstream

log = structlog.get_logger(__name__)

POSTS = frozenset(("/v1/completions", "/v1/chat/completions", "/v1/embeddings"))

WAKE_EVERY_S = 1.0
GRACE_S = 30


@dataclass(slots=True)
class Waker:
    """POSTs ``{"service", "held"}`` to ``url``, ``{service}`` in it replaced, while requests wait for a first replica,
    at most once a second each.
    """

    http: httpx.AsyncClient
    url: str | None
    clock: Callable[[], float] = time.monotonic
    told_s: dict[str, float] = field(default_factory=dict)
    telling: set[asyncio.Task[None]] = field(default_factory=set)

    def __call__(self, service: str, held: int) -> None:
        """Tell it, soon."""
        now_s = self.clock()
        if self.url is None or now_s - self.told_s.get(service, -WAKE_EVERY_S) < WAKE_EVERY_S:
            return
        self.told_s[service] = now_s
        task = asyncio.get_running_loop().create_task(self._tell(self.url.replace("{service}", service), service, held))
        self.telling.add(task)
        task.add_done_callback(self.telling.discard)

    async def _tell(self, url: str, service: str, held: int) -> None:
        try:
            answer = await self.http.post(url, json={"service": service, "held": held}, timeout=5.0)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("nobody woke the service", service=service, url=url, error=str(error))


@dataclass(slots=True)
class Router:
    """A gateway that follows a fleet; ``reload`` gives the configuration anew or raises ValueError."""

    gateway: Gateway
    waker: Waker
    fleet: Fleet
    poll_s: float
    reload: Callable[[], RouterSpec] | None = None
    fleet_errors: int = 0
    fleet_answers: bool = True

    async def poll(self) -> None:
        """Ask the fleet once."""
        try:
            self.gateway.rotate(await self.fleet.replicas())
            self.fleet_answers = True
        except (httpx.HTTPError, ValueError) as error:
            self.fleet_errors += 1
            if self.fleet_answers:
                log.warning("the fleet does not answer; its replicas stay", error=f"{type(error).__name__}: {error}")
            self.fleet_answers = False

    async def follow(self) -> None:
        """Ask it for ever."""
        while True:
            await self.poll()
            await asyncio.sleep(self.poll_s)

    def reconfigure(self) -> None:
        """Read the configuration again."""
        if self.reload is None:
            return
        try:
            self.gateway.configure(self.reload())
        except ValueError as error:
            log.error("the configuration stays as it was", error=str(error))
            return
        log.info("configuration read", services=list(self.gateway.services))

    async def models(self, _: Request) -> Response:
        """Every service, whether it has replicas now or not."""
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "leadtime"} for name in self.gateway.services]
        return JSONResponse({"object": "list", "data": rows})

    async def metrics(self, _: Request) -> Response:
        """For Prometheus, and for the daemon."""
        text = page(self.gateway.services.values(), self.gateway.tenants, self.fleet_errors)
        return PlainTextResponse(text, media_type=MEDIA_TYPE)

    async def healthz(self, _: Request) -> Response:
        """It answers, so it lives."""
        active = {name: len(service.loads) for name, service in self.gateway.services.items()}
        return JSONResponse({"status": "ok", "replicas": active})

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """The fleet is known before the first request is taken, and followed until the end."""
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread is sent signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reconfigure)
        await self.poll()
        following = asyncio.create_task(self.follow())
        yield
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        self.gateway.http.close()
        await self.waker.http.aclose()


def create_router(
    spec: RouterSpec,
    fleet: Fleet,
    poll_s: float = 0.5,
    wake_url: str | None = None,
    reload: Callable[[], RouterSpec] | None = None,
    sign: Callable[[httpx.Request], httpx.Request] | None = None,
) -> Router:
    """A router on the machine's own clock; ``sign`` shows who wakes a service."""
    waker = Waker(httpx.AsyncClient(trust_env=False, auth=sign), wake_url)
    return Router(Gateway(spec, Upstream(), time.monotonic, waker), waker, fleet, poll_s, reload)


@dataclass(frozen=True, slots=True)
class App:
    """The router as an ASGI application: the API's POSTs go straight to the gateway, past a framework that would stand
    between each piece of a stream and its client; everything else is pages.
    """

    router: Router
    pages: Starlette

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in POSTS:
            await self.router.gateway.post(scope, receive, send)
        else:
            await self.pages(scope, receive, send)


def create_app(router: Router) -> App:
    """The router as an ASGI application."""
    gets = {"/v1/models": router.models, "/metrics": router.metrics, "/healthz": router.healthz}
    # The daemon reads a gateway's page at this path of its fleet; the router can stand in for it.
    gets["/gateway/metrics"] = router.metrics
    routes = [Route(path, handler) for path, handler in gets.items()]
    routes += [Route(path, _not_a_post, methods=["POST"]) for path in POSTS]
    return App(router, Starlette(routes=routes, lifespan=router.lifespan))


async def _not_a_post(_: Request) -> Response:
    """Never asked: it makes other methods of the API a 405 and not a 404."""
    return Response(status_code=405)


def serve(router: Router, host: str, port: int) -> None:
    """Serve until interrupted; blocks. What is loaded by now stays for good: collecting garbage need not look at it."""
    gc.collect()
    gc.freeze()
    uvicorn.run(
        create_app(router),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
