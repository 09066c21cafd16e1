"""What happened to the replicas, in order, for whoever asks why; bounded in number."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

import structlog

KEPT = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One of them, at a UTC second."""

    at_s: float
    replica: str
    what: str
    why: str


class Events:
    """The last ``KEPT`` events, and how many there were by pool and word; each is logged as well."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=KEPT)
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, at_s: float, pool: str, replica: str, what: str, why: str = "") -> None:
        """Note one."""
        self._events.append(Event(at_s, replica, what, why))
        self.counts[pool, what] += 1
        log.info(what, pool=pool, replica=replica, why=why)

    def all(self) -> tuple[Event, ...]:
        """Oldest first."""
        return tuple(self._events)
