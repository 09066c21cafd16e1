"""Time, which may be virtual. Nothing below the shell reads a clock by itself."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """UTC seconds since the epoch, and a way to wait for a moment."""

    async def now(self) -> float:
        """The time, seconds."""
        ...

    async def sleep_until(self, at_s: float) -> float:
        """Return at ``at_s`` or at once if it has passed; gives the time then."""
        ...


class WallClock:
    """The machine's own clock."""

    async def now(self) -> float:
        """The time, seconds."""
        return time.time()

    async def sleep_until(self, at_s: float) -> float:
        """Sleep until ``at_s``."""
        await asyncio.sleep(max(0.0, at_s - time.time()))
        return time.time()

    async def speed(self) -> float:
        """Real speed."""
        return 1.0

    async def close(self) -> None:
        """Nobody waits for this clock."""
