"""What happened to the replicas, in order, for whoever asks why; bounded in number."""

from __future__ import annotations

from collections import deque
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
    """The last ``KEPT`` events; each is logged as well."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=KEPT)

    def add(self, at_s: float, replica: str, what: str, why: str = "") -> None:
        """Note one."""
        self._events.append(Event(at_s, replica, what, why))
        log.info(what, replica=replica, why=why)

    def all(self) -> tuple[Event, ...]:
        """Oldest first."""
        return tuple(self._events)
