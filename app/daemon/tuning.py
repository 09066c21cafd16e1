"""Knobs are tuned beside the loop: one search at a time, in a process of its own, taken over when it is done.

A search that fails or takes too long leaves the last good settings in force, is told in one line, and is tried again
when the next one is due. A tick never waits for one. What was chosen is kept in the store, so a restart goes on with
it, and acts only where the policy says ``tuning.mode: auto``. Every decision tells which knobs are not the policy's.

A freeze holds the knobs too: nothing is searched for meanwhile, and what a search still found is void.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from app.daemon.memory import Memory, ServiceMemory
from app.daemon.workers import WorkerFailed, answer
from autoscaler.controller import Considered
from autoscaler.safety.overrides import in_force
from autoscaler.tuning.choice import Choice
from autoscaler.tuning.knobs import turned_of, values
from autoscaler.tuning.past import moment
from autoscaler.tuning.store import TuningStore
from autoscaler.tuning.worker import chosen, packed

LIMIT_S = 120.0
"""Real seconds that one search may take."""

log = structlog.get_logger()


def recall(known: ServiceMemory, kept: TuningStore, now_s: float) -> None:
    """Go on with what was chosen before a restart, where the operator has not turned a knob since."""
    newest = kept.newest(known.pool.service)
    if newest is not None and newest[0] <= now_s and newest[1] == values(known.policy):
        known.tuner.adopt(newest[2], newest[0])


def tell(services: Mapping[str, ServiceMemory]) -> None:
    """Put into what decisions are made from which knobs are tuned."""
    for known in services.values():
        known.control = replace(known.control, tuned=turned_of(known.policy, known.in_effect))


def frozen(known: ServiceMemory, now_s: float) -> bool:
    """Whether somebody froze the service."""
    return in_force(known.control.overrides, known.pool.service, now_s).freeze is not None


def remember(services: Mapping[str, ServiceMemory], considered: Mapping[str, Considered]) -> None:
    """Add the tick to what searches replay."""
    for name, result in considered.items():
        known = services[name]
        known.tuner.remember(moment(result, known.policy), known.policy.tuning.over_s)


@dataclass(slots=True)
class Searching:
    """The search under way, if any."""

    running: asyncio.Task[Choice] | None = None
    service: str = ""
    base: dict[str, float] = field(default_factory=dict)

    async def advance(self, memory: Memory, kept: TuningStore, now_s: float) -> None:
        """Take over what is done, and start what is due; called after every tick."""
        if self.running is not None:
            if not self.running.done():
                return
            done, self.running = self.running, None
            choice = self._take(memory.services[self.service], done, now_s)
            if choice is not None:
                await asyncio.to_thread(kept.keep, self.service, now_s, self.base, choice)
        for name, known in memory.services.items():
            if known.tuner.due(known.policy) and not frozen(known, now_s):
                self.service, self.base = name, values(known.policy)
                self.running = asyncio.create_task(elsewhere(packed(known.tuner.task(known.policy))))
                return

    async def stop(self) -> None:
        """End the search under way."""
        if self.running is not None:
            self.running.cancel()
            with suppress(asyncio.CancelledError, WorkerFailed):
                await self.running

    def _take(self, known: ServiceMemory, done: asyncio.Task[Choice], now_s: float) -> Choice | None:
        try:
            choice = done.result()
        except WorkerFailed as error:
            known.tuning_trouble = f"{error}; the last good settings stay"
            log.warning("tuning: search failed, the last good settings stay", service=self.service, reason=str(error))
            return None
        known.tuning_trouble = None
        if frozen(known, now_s):
            return None
        if values(known.policy) == self.base:  # else the operator has turned a knob meanwhile, and it is void
            known.tuner.adopt(choice)
            if choice.switched:
                mode = known.policy.tuning.mode.value
                log.info("tuning: better settings", service=self.service, mode=mode, reason=choice.sentence)
        return choice


async def elsewhere(given: bytes) -> Choice:
    """One search in a worker process; raises ``WorkerFailed``. Cancelled, it ends the worker."""
    return chosen(await answer("autoscaler.tuning.worker", given, LIMIT_S))
