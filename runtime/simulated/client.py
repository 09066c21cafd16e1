"""The simulated fleet and its clock, as seen from another process."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import httpx

from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica, Tier, Transition

WAIT_TIMEOUT_S = 3600.0


class SimulatedFleet:
    """A ``Fleet`` behind ``runtime.simulated.server``. Raises httpx.HTTPError where it cannot be reached."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout_s)

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, oldest first."""
        return tuple(_replica(row) for row in await self._get("/fleet/replicas"))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Set targets; the same ones twice change nothing the second time."""
        body = {"decision_id": decision_id, "targets": [asdict(target) for target in targets]}
        (await self._http.put("/fleet/targets", json=body)).raise_for_status()

    async def racks(self) -> tuple[RackView, ...]:
        """GPUs that services share, as the racks are now."""
        return tuple(RackView(**row) for row in await self._get("/fleet/racks"))

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Set how many GPUs racks hold; the same targets twice change nothing the second time."""
        body = {"decision_id": decision_id, "targets": [asdict(target) for target in targets]}
        (await self._http.put("/fleet/racks", json=body)).raise_for_status()

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """The newest transitions, newest last."""
        rows = await self._get("/fleet/lead_times")
        return tuple(LeadTimeSample(r["pool"], Tier(r["start"]), r["seconds"], r["at_s"]) for r in rows)

    async def nodes(self) -> tuple[str, ...]:
        """Names of the nodes whose dcgm-exporter answers under ``/nodes/NAME/metrics``."""
        return tuple(await self._get("/fleet/nodes"))

    async def summary(self) -> list[dict[str, Any]]:
        """What the run came to so far, one row a service."""
        return list(await self._get("/fleet/summary"))

    async def past(self) -> dict[str, list[list[float]]]:
        """The workload before the start, per minute: [at_s, arrivals_per_s, mean input, mean output tokens]."""
        return dict(await self._get("/fleet/past"))

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()

    async def _get(self, path: str) -> Any:
        response = await self._http.get(path)
        response.raise_for_status()
        return response.json()


def _replica(row: dict[str, Any]) -> Replica:
    transition = Transition(row["transition"]) if row["transition"] else None
    return Replica(**{**row, "tier": Tier(row["tier"]), "transition": transition, "gpus": tuple(row["gpus"])})


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
