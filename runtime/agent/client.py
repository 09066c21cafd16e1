"""A fleet in another process: ``Fleet`` over HTTP, whatever stands behind the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from runtime.agent import messages
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica

LONGEST = 300
"""Characters of a refusal that are told."""


class RemoteFleet:
    """A ``Fleet`` behind ``url``. Raises httpx.HTTPError where it cannot be reached, refuses the token or the order."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, oldest first."""
        return messages.replicas(await self._get("/fleet/replicas"))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Set targets; the same ones twice change nothing the second time."""
        await self._put("/fleet/targets", messages.order(targets, decision_id))

    async def racks(self) -> tuple[RackView, ...]:
        """GPUs that services share, as the racks are now."""
        return messages.rack_views(await self._get("/fleet/racks"))

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Set how many GPUs racks hold; the same targets twice change nothing the second time."""
        await self._put("/fleet/racks", messages.order(targets, decision_id))

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """The newest transitions, newest last."""
        return messages.samples(await self._get("/fleet/lead_times"))

    async def nodes(self) -> tuple[str, ...]:
        """Names of the nodes whose dcgm-exporter answers under ``/nodes/NAME/metrics``."""
        return tuple(await self._get("/fleet/nodes"))

    async def rooms(self) -> dict[str, int]:
        """How many replicas of each pool an agent has slots for."""
        return {str(pool): int(slots) for pool, slots in (await self._get("/fleet/rooms")).items()}

    async def events(self) -> list[dict[str, Any]]:
        """What happened to replicas, oldest first; bounded in number."""
        return list(await self._get("/fleet/events"))

    async def past(self) -> dict[str, list[list[float]]]:
        """The workload before the start, per minute: [at_s, arrivals_per_s, mean input, mean output tokens]."""
        return dict(await self._get("/fleet/past"))

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()

    async def _get(self, path: str) -> Any:
        return _taken(await self._http.get(path)).json()

    async def _put(self, path: str, body: dict[str, Any]) -> None:
        _taken(await self._http.put(path, json=body))


def _taken(response: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal: then its own sentence, as JSON or as text, is the error in one line."""
    if response.is_success:
        return response
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = " ".join(response.text.split())[:LONGEST] or response.reason_phrase
    request = response.request
    line = f"{request.method} {request.url}: {response.status_code}, {detail}"
    raise httpx.HTTPStatusError(line, request=request, response=response)
