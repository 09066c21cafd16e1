"""The simulated fleet over HTTP: what a machine room of GPUs would answer, on one port.

Engines answer under ``/replicas/NAME``, dcgm-exporters under ``/nodes/NAME``, the router under ``/gateway`` and
``/v1``; ``/sd`` tells Prometheus where they are. ``/fleet`` and ``/clock`` are for whoever drives the fleet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runtime.agent import messages
from runtime.rack import Rack
from runtime.simulated import openai
from runtime.simulated.live import LiveWorld
from runtime.simulated.pages import engine_page, gateway_page, node_page
from runtime.simulated.replicas import SimulatedReplica, SimulatedService
from runtime.simulated.summary import summarise
from runtime.simulated.workload import Workload
from runtime.simulated.world import World

PAST_HOURS = 7 * 24

FAULTS = ("xid", "ecc", "heat")


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet to be served: its services and the racks they share, what flows through it and how it is routed, how fast
    time passes, and the seed of every draw.
    """

    services: tuple[SimulatedService, ...]
    workload: Workload
    speed: float
    seed: int = 0
    racks: tuple[Rack, ...] = ()
    router: str = "least-requests"

    def world(self) -> World:
        """The fleet itself, at its beginning."""
        return World(self.services, self.workload, self.seed, racks=self.racks, router=self.router)


def serve(spec: FleetSpec, host: str, port: int) -> None:
    """Serve until interrupted; blocks."""
    app = create_app(LiveWorld(spec.world(), spec.speed))
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1)


def create_app(live: LiveWorld) -> Starlette:
    """The fleet as an ASGI application; its time passes while the application runs."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        api.running = asyncio.create_task(live.run())
        yield
        api.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await api.running

    api = _Api(live)
    gets: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/healthz": api.healthz,
        "/clock": api.clock,
        "/sd": api.service_discovery,
        "/gateway/metrics": api.gateway_metrics,
        "/fleet/replicas": api.replicas,
        "/fleet/racks": api.racks,
        "/fleet/lead_times": api.lead_times,
        "/fleet/summary": api.summary,
        "/fleet/past": api.past,
        "/fleet/nodes": api.nodes,
        "/nodes/{node}/metrics": api.node_metrics,
        "/replicas/{replica}/metrics": api.engine_metrics,
        "/replicas/{replica}/health": api.engine_health,
        "/replicas/{replica}/is_sleeping": api.is_sleeping,
        "/v1/models": api.models,
    }
    posts: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/clock/wait": api.clock_wait,
        "/clock/release": api.clock_release,
        "/fleet/faults": api.fault,
        "/replicas/{replica}/sleep": api.sleep,
        "/replicas/{replica}/wake_up": api.wake_up,
        "/replicas/{replica}/v1/completions": api.completions,
        "/replicas/{replica}/v1/chat/completions": api.completions,
        "/v1/completions": api.completions,
        "/v1/chat/completions": api.completions,
    }
    routes = [Route(path, handler) for path, handler in gets.items()]
    routes += [Route(path, handler, methods=["POST"]) for path, handler in posts.items()]
    routes.append(Route("/fleet/targets", api.targets, methods=["PUT"]))
    routes.append(Route("/fleet/racks", api.hold, methods=["PUT"]))
    return Starlette(routes=routes, lifespan=lifespan)


class _Api:
    def __init__(self, live: LiveWorld) -> None:
        self.live = live
        self.world = live.world
        self.running: asyncio.Task[None] | None = None

    # --- time ----------------------------------------------------------------------------------------------------

    async def healthz(self, _: Request) -> Response:
        if self.running is not None and self.running.done():
            return JSONResponse({"status": "time has stopped", "error": repr(self.running.exception())}, 503)
        return JSONResponse({"status": "ok"})

    async def clock(self, _: Request) -> Response:
        return JSONResponse(self._clock())

    def _clock(self) -> dict[str, Any]:
        pacer = self.live.pacer
        return {"now_s": self.world.now_s, "speed": pacer.speed, "finished": self.world.finished}

    async def clock_wait(self, request: Request) -> Response:
        body = await _body(request)
        try:
            client, at_s = str(body["client"]), float(body["at_s"])
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f"give client and at_s, UTC seconds: {error}") from error
        await self.live.wait_until(client, at_s)
        return JSONResponse(self._clock())

    async def clock_release(self, request: Request) -> Response:
        self.live.pacer.release(str((await _body(request)).get("client")))
        return JSONResponse(self._clock())

    # --- the fleet -----------------------------------------------------------------------------------------------

    async def replicas(self, request: Request) -> Response:
        base_url = str(request.base_url).rstrip("/")
        return JSONResponse(messages.rows(self.world.view(base_url)))

    async def targets(self, request: Request) -> Response:
        body = await _body(request)
        try:
            self.world.set_targets(messages.pool_targets(body))
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f"no such service or a bad target: {error}") from error
        return JSONResponse({"decision_id": body.get("decision_id")})

    async def racks(self, _: Request) -> Response:
        return JSONResponse(messages.rows(rack.view() for rack in self.world.racks.values()))

    async def hold(self, request: Request) -> Response:
        """Racks are set one after the other; of a wrong list nothing is."""
        body = await _body(request)
        try:
            targets = messages.rack_targets(body)
            for target in targets:
                self.world.racks[target.rack].check_target(target.gpus)
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f"no such rack or a bad target: {error}") from error
        for target in targets:
            self.world.set_rack(target.rack, target.gpus)
        return JSONResponse({"decision_id": body.get("decision_id")})

    async def lead_times(self, _: Request) -> Response:
        return JSONResponse(messages.rows(self.world.replicas.lead_times))

    async def summary(self, _: Request) -> Response:
        return JSONResponse(summarise(self.world))

    async def past(self, request: Request) -> Response:
        asked = request.query_params.get("hours", str(PAST_HOURS))
        if not asked.isdecimal():
            raise HTTPException(422, f"hours: {asked!r} is no whole number of hours")
        return JSONResponse(self.world.workload.past(float(asked)))

    async def nodes(self, _: Request) -> Response:
        return JSONResponse(sorted(self.live.telemetry.nodes()))

    async def fault(self, request: Request) -> Response:
        body = await _body(request)
        if "pool" in body:
            return self._sell_out(body)
        gpu, kind, xid = str(body.get("gpu")), body.get("kind"), body.get("xid", 79)
        if kind not in (None, *FAULTS) or not isinstance(xid, int):
            raise HTTPException(422, f"kind: give {', '.join(FAULTS)} (with a number as xid) or null to repair")
        try:
            if kind is None:
                self.world.heal_gpu(gpu)
            else:
                self.world.fail_gpu(gpu, kind, xid)
        except KeyError as error:
            raise HTTPException(404, f"no such GPU: {error}") from error
        return JSONResponse({"gpu": gpu, "kind": kind})

    def _sell_out(self, body: dict[str, Any]) -> Response:
        """``{"pool": NAME, "kind": "sold_out"}``, or null as kind for an end of it."""
        pool, kind = str(body["pool"]), body.get("kind")
        if kind not in (None, "sold_out"):
            raise HTTPException(422, "kind: give sold_out or null for a pool")
        try:
            self.world.sell_out(pool, kind == "sold_out")
        except KeyError as error:
            raise HTTPException(404, f"no such pool: {error}") from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return JSONResponse({"pool": pool, "kind": kind})

    async def service_discovery(self, request: Request) -> Response:
        """Prometheus HTTP service discovery: every engine, node and the gateway, each with its path and labels."""
        host = request.url.netloc
        groups = [_target(host, "/gateway/metrics", leadtime_job="gateway")]
        groups += [_target(host, f"/nodes/{node}/metrics", leadtime_node=node) for node in self.live.telemetry.nodes()]
        for replica in self.world.replicas.by_name.values():
            if replica.has_process:
                service = self.world.services[replica.service]
                labels = {"leadtime_service": service.name, "leadtime_pool": replica.pool.name}
                path = f"/replicas/{replica.name}/metrics"
                groups.append(_target(host, path, leadtime_replica=replica.name, **labels))
        return JSONResponse(groups)

    # --- pages ---------------------------------------------------------------------------------------------------

    def _replica(self, request: Request) -> SimulatedReplica:
        name = request.path_params["replica"]
        replica = self.world.replicas.by_name.get(name)
        if replica is None:
            raise HTTPException(404, f"no replica {name}")
        if not replica.has_process:
            raise HTTPException(503, f"{name} is {replica.transition or replica.tier}")
        return replica

    async def engine_metrics(self, request: Request) -> Response:
        replica = self._replica(request)
        page = engine_page(self.world.state, replica.row, replica.pool, replica.asleep, replica.created_s)
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4")

    async def node_metrics(self, request: Request) -> Response:
        gpus = self.live.telemetry.nodes().get(request.path_params["node"])
        if gpus is None:
            raise HTTPException(404, f"no node {request.path_params['node']}")
        return PlainTextResponse(node_page(gpus), media_type="text/plain; version=0.0.4")

    async def gateway_metrics(self, _: Request) -> Response:
        world = self.world
        rows = [
            (service.name, len(world.held[i]), out.rejected, world.arrived[i], out.requests, out.attained)
            for i, (service, out) in enumerate(zip(world.services, world.outcomes, strict=True))
        ]
        return PlainTextResponse(gateway_page(rows), media_type="text/plain; version=0.0.4")

    # --- one engine ----------------------------------------------------------------------------------------------

    async def engine_health(self, request: Request) -> Response:
        self._replica(request)
        return Response()

    async def is_sleeping(self, request: Request) -> Response:
        return JSONResponse({"is_sleeping": self._replica(request).asleep})

    async def sleep(self, request: Request) -> Response:
        try:
            self.world.replicas.sleep(self._replica(request), self.world.now_s)
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return Response()

    async def wake_up(self, request: Request) -> Response:
        self.world.replicas.wake(self._replica(request), self.world.now_s)
        return Response()

    async def models(self, _: Request) -> Response:
        rows = [{"id": service.name, "object": "model"} for service in self.world.services]
        return JSONResponse({"object": "list", "data": rows})

    async def completions(self, request: Request) -> Response:
        chat = request.url.path.endswith("/chat/completions")
        body = await _body(request)
        served, name = {s.name for s in self.world.services}, None
        if "replica" in request.path_params:
            replica = self._replica(request)
            if replica.asleep:
                raise HTTPException(503, f"{replica.name} is asleep")
            name, served = replica.name, {self.world.services[replica.service].name}
        if body.get("model") not in served:
            raise HTTPException(404, f"no model {body.get('model')}; there is {', '.join(sorted(served))}")
        return await openai.complete(self.live, request, body, name, chat)


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object; 400 for anything else."""
    try:
        body = await request.json()
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is no JSON object")
    return body


def _target(host: str, path: str, **labels: str) -> dict[str, Any]:
    return {"targets": [host], "labels": {"__metrics_path__": path, **labels}}
