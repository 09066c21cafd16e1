"""The engines inside pods: how many requests they have, and sleep and wake, over vLLM's own endpoints."""

from __future__ import annotations

from typing import Protocol

import httpx

from runtime.local.engine import Engine, EngineError
from runtime.local.spec import Sleep


class Engines(Protocol):
    """What a fleet asks of an engine at ``url`` that serves ``model``."""

    async def requests(self, url: str, model: str, within_s: float) -> int | None:
        """Running and waiting; None where it does not say."""
        ...

    async def sleep(self, url: str, model: str, how: Sleep, within_s: float) -> tuple[int, ...]:
        """Put it to sleep once it is empty; gives what it said before, where waking needs that. Raises EngineError."""
        ...

    async def wake(self, url: str, model: str, how: Sleep, golden: tuple[int, ...], within_s: float) -> None:
        """Wake it and have it answer. Raises EngineError."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class HttpEngines:
    """``Engines`` at the pods' own addresses, as the local fleet talks to its own."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            transport=transport, trust_env=False, limits=httpx.Limits(max_connections=None, keepalive_expiry=2.0)
        )

    async def requests(self, url: str, model: str, within_s: float) -> int | None:
        """From its metrics."""
        try:
            return (await Engine(self._http, url, model).doing(within_s)).requests
        except EngineError:
            return None

    async def sleep(self, url: str, model: str, how: Sleep, within_s: float) -> tuple[int, ...]:
        """Level 2 drops the weights: what it says with them is noted first."""
        engine = Engine(self._http, url, model)
        golden = await engine.golden(within_s) if how is Sleep.LEVEL2 else ()
        await engine.sleep(how, within_s)
        return golden

    async def wake(self, url: str, model: str, how: Sleep, golden: tuple[int, ...], within_s: float) -> None:
        """As the local fleet does."""
        await Engine(self._http, url, model).wake(how, golden, within_s)

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()
