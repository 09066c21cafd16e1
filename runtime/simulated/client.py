"""The simulated fleet and its clock, as seen from another process."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from runtime.agent.client import RemoteFleet

WAIT_TIMEOUT_S = 3600.0


class SimulatedFleet(RemoteFleet):
    """A fleet behind ``runtime.simulated.server``, which also knows what its whole run came to."""

    async def summary(self) -> list[dict[str, Any]]:
        """What the run came to so far, one row a service."""
        return list(await self._get("/fleet/summary"))


class SimulatedClock:
    """The fleet's virtual time as a ``Clock``; whoever sleeps on it holds time until it sleeps again."""

    def __init__(self, url: str, client: str | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=WAIT_TIMEOUT_S)
        self._client = client or uuid.uuid4().hex

    async def now(self) -> float:
        """Virtual time, UTC seconds."""
        return float((await self._read())["now_s"])

    async def speed(self) -> float:
        """How many virtual seconds may pass in a second."""
        return float((await self._read())["speed"])

    async def finished(self) -> bool:
        """Whether the workload has ended and everything is served."""
        return bool((await self._read())["finished"])

    async def sleep_until(self, at_s: float) -> float:
        """Wait for virtual ``at_s``; gives the time then."""
        response = await self._http.post("/clock/wait", json={"client": self._client, "at_s": at_s})
        response.raise_for_status()
        return float(response.json()["now_s"])

    async def close(self) -> None:
        """Stop holding time, and release connections."""
        await self._http.post("/clock/release", json={"client": self._client})
        await self._http.aclose()

    async def _read(self) -> dict[str, Any]:
        response = await self._http.get("/clock")
        response.raise_for_status()
        return dict(response.json())
