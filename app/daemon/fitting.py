"""Experts learn beside the loop: one fit at a time, in a process of its own, taken over when it is done.

A fit that fails or takes too long leaves the last good model where it is, is told in one line and in the forecast's
``trouble``, and is tried again later. A tick never waits for one. What was fitted is kept in the store, so a restart
goes on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from app.daemon.memory import Memory
from app.daemon.workers import WorkerFailed as FitFailed
from app.daemon.workers import answer
from autoscaler.controller import Mind
from autoscaler.store.models import ModelStore
from forecasting.panel import Panel
from forecasting.worker import fitted, task

LIMIT_S = 120.0
"""Real seconds that one fit may take."""

RETRY_S = 600.0
"""Seconds before a service whose fit failed is tried again."""

log = structlog.get_logger()


@dataclass(slots=True)
class Fitting:
    """The fit under way, if any, and when the last failed one of each service may be tried again."""

    running: asyncio.Task[Panel] | None = None
    service: str = ""
    not_before_s: dict[str, float] = field(default_factory=dict)

    async def advance(self, memory: Memory, minds: Mapping[str, Mind], models: ModelStore, now_s: float) -> None:
        """Take over what is done, and start what is due; called after every tick."""
        if self.running is not None:
            if not self.running.done():
                return
            done, self.running = self.running, None
            panel = self._take(memory, minds, done, now_s)
            if panel is not None:
                await asyncio.to_thread(models.keep, self.service, now_s, panel)
        due = (name for name, mind in minds.items() if self._may(name, now_s) and mind.forecaster.due())
        self.service = next(due, "")
        if self.service:
            panel, history = minds[self.service].forecaster.task()
            given = task(panel, history, seed=history.last)
            self.running = asyncio.create_task(elsewhere(given))

    async def stop(self) -> None:
        """End the fit under way."""
        if self.running is not None:
            self.running.cancel()
            with suppress(asyncio.CancelledError, FitFailed):
                await self.running

    def _may(self, service: str, now_s: float) -> bool:
        return now_s >= self.not_before_s.get(service, now_s)

    def _take(self, memory: Memory, minds: Mapping[str, Mind], done: asyncio.Task[Panel], now_s: float) -> Panel | None:
        known = memory.services[self.service]
        try:
            panel = done.result()
        except FitFailed as error:
            self.not_before_s[self.service] = now_s + RETRY_S
            known.fit_trouble = f"{error}; forecasts go on with the last good model"
            memory.tally.fits[self.service, "failed"] += 1
            log.warning("forecast: fit failed, the last good model stays", service=self.service, reason=str(error))
            return None
        minds[self.service].forecaster.adopt(panel)
        known.fitted_at_s, known.fit_trouble = now_s, None
        memory.tally.fits[self.service, "done"] += 1
        return panel


async def elsewhere(given: bytes) -> Panel:
    """One fit in a worker process; raises ``FitFailed``. Cancelled, it ends the worker."""
    return fitted(await answer("forecasting.worker", given, LIMIT_S))
