"""Waiting lines: line 0 holds who was preempted and always goes first, the others one class of requests each.

Within a line requests stand in the order of their arrival, so an order that prefers one class to another looks at the
heads alone. Knows no engine; what waits is told apart by its ticket.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")

FIRST = 0
"""The line of who was preempted."""


@dataclass(slots=True)
class Entry(Generic[R]):
    """A request as a policy sees it: when it came, its line, its uncached prompt, the KV blocks it is to hold."""

    request: R
    ticket: int
    arrival_s: float
    line: int
    prefill_tokens: int
    demand_blocks: int


class Lines(Generic[R]):
    """All that waits, and the sum of its demands."""

    def __init__(self) -> None:
        self._lines: dict[int, OrderedDict[int, Entry[R]]] = {}
        self.demand_blocks = 0

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def __contains__(self, entry: Entry[R]) -> bool:
        return entry.ticket in self._lines.get(entry.line, ())

    def __iter__(self) -> Iterator[Entry[R]]:
        """Who was preempted, then everybody else as they came."""
        yield from self._lines.get(FIRST, OrderedDict()).values()
        others = (entry for line, entries in self._lines.items() if line != FIRST for entry in entries.values())
        yield from sorted(others, key=lambda entry: entry.ticket)

    def append(self, entry: Entry[R]) -> None:
        """Last in its line."""
        self._lines.setdefault(entry.line, OrderedDict())[entry.ticket] = entry
        self.demand_blocks += entry.demand_blocks

    def put_first(self, entry: Entry[R]) -> None:
        """First in its line: who was looked at and could not join, or was preempted."""
        self.append(entry)
        self._lines[entry.line].move_to_end(entry.ticket, last=False)

    def remove(self, entry: Entry[R]) -> None:
        """Raises KeyError if it does not wait."""
        line = self._lines[entry.line]
        del line[entry.ticket]
        if not line:
            del self._lines[entry.line]
        self.demand_blocks -= entry.demand_blocks

    def demand(self, entry: Entry[R], blocks: int) -> None:
        """Whoever waits is now expected to hold so many blocks."""
        self.demand_blocks += blocks - entry.demand_blocks
        entry.demand_blocks = blocks

    def preempted(self) -> Entry[R] | None:
        """Who goes before everybody else, if anybody."""
        line = self._lines.get(FIRST)
        return next(iter(line.values())) if line else None

    def heads(self) -> list[Entry[R]]:
        """The first of each other line."""
        return [next(iter(entries.values())) for line, entries in self._lines.items() if line != FIRST]
