"""KEDA's four questions, answered from what Leadtime decided.

The metric is the number of replicas wanted, its target 1 a replica: the HorizontalPodAutoscaler that KEDA keeps divides
the one by the other and has our number. Promises: what is not known is an error status, so that KEDA's ``fallback``
takes over; an open stream outlives a daemon that is away, because KEDA comes back to a broken one ever more slowly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import structlog

from app.externalscaler import wire
from app.externalscaler.desired import Asked, NotKnown, service_of
from app.externalscaler.wire import MetricRequest, ScaledObject
from runtime.clock import Clock

log = structlog.get_logger(__name__)

METRIC = "leadtime-desired-replicas"
PER_REPLICA = 1


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks of a stream: short where nothing runs and a request may wait, long elsewhere."""

    idle_s: float = 1.0
    running_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls by KEDA's names; ``context`` is gRPC's."""

    asked: Asked
    clock: Clock
    pace: Pace

    async def is_active(self, of: ScaledObject, context: Any) -> bytes:
        """Whether any replica is wanted."""
        return wire.activity(await self._desired(of, context) > 0)

    async def get_metric_spec(self, of: ScaledObject, context: Any) -> bytes:
        """One metric, one a replica; known without asking anybody."""
        await self._service(of, context)
        return wire.spec(METRIC, PER_REPLICA)

    async def get_metrics(self, request: MetricRequest, context: Any) -> bytes:
        """The replicas that are wanted."""
        if request.metric != METRIC:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no metric {request.metric!r}; there is {METRIC}")
        return wire.values(METRIC, await self._desired(request.of, context))

    async def stream_is_active(self, of: ScaledObject, context: Any) -> AsyncIterator[bytes]:
        """Whether any replica is wanted: at once, and whenever that changes. While it is not known nothing is said."""
        service = await self._service(of, context)
        told: bool | None = None
        trouble = ""
        while True:
            try:
                active, trouble = await self.asked.desired(service) > 0, ""
                if active is not told:
                    yield wire.activity(active)
                told = active
            except NotKnown as error:
                if str(error) != trouble:
                    log.warning("not known", scaled_object=f"{of.namespace}/{of.name}", why=str(error))
                trouble = str(error)
            wait_s = self.pace.running_s if told else self.pace.idle_s
            await self.clock.sleep_until(await self.clock.now() + wait_s)

    async def _service(self, of: ScaledObject, context: Any) -> str:
        try:
            return service_of(of.metadata, self.asked.api)
        except NotKnown as error:
            await refuse(context, of, error)

    async def _desired(self, of: ScaledObject, context: Any) -> int:
        service = await self._service(of, context)
        try:
            return await self.asked.desired(service)
        except NotKnown as error:
            await refuse(context, of, error)


async def refuse(context: Any, of: ScaledObject, error: NotKnown) -> NoReturn:
    """End the call with the error's status."""
    log.warning("not answered", scaled_object=f"{of.namespace}/{of.name}", why=str(error))
    await context.abort(grpc.StatusCode[error.why.value], str(error))
    raise AssertionError("abort returns to nobody")
