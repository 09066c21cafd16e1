"""A local fleet over stand-in engines: real wardens, real processes, real HTTP; only the engine is small."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from runtime.clock import WallClock
from runtime.fleet import PoolTarget
from runtime.local.fleet import LocalFleet
from runtime.local.spec import EngineSpec, Kind, LocalSpec, Sleep, Slot
from runtime.replica import Replica

STAND_IN = (str(Path(__file__).with_name("stand_in.py")),)
PORTS = itertools.count(10000 + os.getpid() % 50 * 400, 5)
"""Of their own for each run of the tests, below those that the system hands out."""


def engine(pool: str = "p", **changes: Any) -> EngineSpec:
    """A pool of stand-ins."""
    return replace(EngineSpec("tiny", pool, "/model", python=sys.executable, entry=STAND_IN), **changes)


def cores(count: int) -> tuple[Slot, ...]:
    """A slot for each."""
    return tuple(Slot(f"core{i}", (str(i),), Kind.CPU) for i in range(count))


def local(home: Path, *engines: EngineSpec, **changes: Any) -> LocalSpec:
    """A fleet of them, on three cores and impatient enough for tests."""
    port = next(PORTS)
    told: dict[str, Any] = {
        "engines": engines or (engine(sleep=Sleep.PAUSE),),
        "slots": cores(3),
        "home": home,
        "ports": (port, port + 4),
        "ready_within_s": 10.0,
        "settle_s": 0.1,
        "hang_s": 1.5,
        "orphan_s": 2.0,
        "grace_s": 1.0,
        "look_s": 0.05,
        "backoff_s": 0.2,
        "failed_shown_s": 0.3,
    }
    return LocalSpec(**{**told, **changes})


def on_gpus(home: Path, *engines: EngineSpec, **changes: Any) -> LocalSpec:
    """The same on two GPUs, which a stand-in does not look at."""
    return local(home, *engines, **{"slots": (Slot("g0", ("0",)), Slot("g1", ("1",))), **changes})


async def until(happened: Callable[[], Any], within_s: float = 15.0) -> Any:
    """Wait for something true; what it is. Fails loudly when it does not come."""
    async with asyncio.timeout(within_s):
        while True:
            found = happened()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


class Played:
    """A running local fleet, and what a test wants to say to it in a few words."""

    def __init__(self, fleet: LocalFleet) -> None:
        self.fleet = fleet

    async def want(self, pool: str = "p", **numbers: Any) -> None:
        await self.fleet.apply([PoolTarget("tiny", pool, **{"active": 0, **numbers})], "d1")

    async def all(self, pool: str = "p") -> list[Replica]:
        return [replica for replica in await self.fleet.replicas() if replica.pool == pool]

    async def settled(self, pool: str = "p", within_s: float = 15.0, **tiers: int) -> list[Replica]:
        """Wait until exactly so many are in each tier, in no transition."""
        wanted = sorted(tier for tier, count in tiers.items() for _ in range(count))

        async def there() -> bool:
            found = await self.all(pool)
            return sorted(r.tier for r in found) == wanted and all(r.transition is None for r in found)

        await until(there, within_s)
        return await self.all(pool)

    def said(self, what: str) -> list[str]:
        return [event.why for event in self.fleet.events() if event.what == what]


async def switch(replica: Replica, **switches: int) -> None:
    """Tell a stand-in to behave so."""
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            await http.get(f"{replica.base_url}/switch", params=switches)
        except httpx.RemoteProtocolError:
            assert "crash" in switches


@pytest_asyncio.fixture
async def play(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start a fleet with ``local``'s arguments; it ends with the test, and nothing of it stays."""
    fleets: list[LocalFleet] = []

    async def begin(*engines: EngineSpec, spec: LocalSpec | None = None, **changes: Any) -> Played:
        fleets.append(LocalFleet(spec or local(tmp_path, *engines, **changes), WallClock()))
        await fleets[-1].start()
        return Played(fleets[-1])

    yield begin
    for fleet in fleets:
        await fleet.close()
