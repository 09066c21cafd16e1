"""Where observations come from: one protocol, two sources (direct scrape, Prometheus)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collectors.observation import Scrape


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint to read. ``kind`` is ``engine``, ``dcgm`` or ``gateway``; ``name`` the replica, node or service."""

    kind: str
    name: str
    url: str
    engine: str = "vllm"


class Source(Protocol):
    """Observes targets."""

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        """Everything readable at ``at_s``; what could not be read is a named gap, never an exception or a zero."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
