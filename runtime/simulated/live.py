"""A world that runs by itself: one task lets its time pass, everybody else waits for the next tick of it."""

from __future__ import annotations

import asyncio
import contextlib
import time

from runtime.simulated.pacing import Pacer
from runtime.simulated.telemetry import Telemetry
from runtime.simulated.world import SLICE_S, World

TICK_S = 0.01
"""Wall seconds between two looks at the clock."""

BUSY_S = 0.05
"""Wall seconds of simulating after which whoever asks over HTTP is answered first."""


class LiveWorld:
    """A world, its pacer and its telemetry. Everything happens in one event loop, so nothing needs a lock."""

    def __init__(self, world: World, speed: float) -> None:
        self.world = world
        self.pacer = Pacer(world.now_s, speed, time.monotonic())
        self.telemetry = Telemetry(world)
        self._ticked = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Let time pass until cancelled; after the end of its workload the world stands still."""
        self.pacer.wall_s = time.monotonic()
        while True:
            self.advance(time.monotonic())
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), TICK_S)

    def advance(self, wall_s: float) -> None:
        """Let as much time pass as may have at that wall time, monotonic seconds, and wake whoever waits for it."""
        if not self.world.finished:
            self._run_until(self.pacer.allowed(wall_s))
            self.pacer.reached(self.world.now_s)
        self._ticked.set()
        self._ticked = asyncio.Event()

    def _run_until(self, at_s: float) -> None:
        """Run the world in slices, so that a fleet too large for its speed falls behind but still answers."""
        give_up_s = time.monotonic() + BUSY_S
        while self.world.now_s < at_s and time.monotonic() < give_up_s:
            self.world.run_until(min(at_s, self.world.now_s + SLICE_S))

    async def tick(self) -> None:
        """Wait until time has passed."""
        await self._ticked.wait()

    async def wait_until(self, client: str, at_s: float) -> None:
        """Hold time at ``at_s`` for this client, and return when it is reached or the world has ended."""
        self.pacer.hold(client, at_s, time.monotonic())
        self._hurry.set()
        while self.world.now_s < at_s and not self.world.finished:
            await self.tick()
        self.pacer.hold(client, at_s, time.monotonic())
