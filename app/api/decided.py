"""Decisions that were read before: what was decided long ago does not change, and unpacking it takes milliseconds.

A page about a week over a hundred services shows some hundred decisions, and mostly the same ones as a moment before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from autoscaler.store.ledger import Entry

MOST = 5000
"""Some 20 kB each as they lie in memory."""

SETTLED_S = 600.0
"""Until then a decision may still be marked as carried out."""

Key = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Decided:
    """The newest decision of a service at a time, by service and time; the least used goes first."""

    kept: OrderedDict[Key, Entry] = field(default_factory=OrderedDict)

    def at(self, service: str, at_s: float, now_s: float, read: Callable[[], Entry | None]) -> Entry | None:
        """As kept, or as ``read`` gives it."""
        found = self.kept.pop((service, at_s), None) or read()
        if found is not None and at_s < now_s - SETTLED_S:
            self.kept[service, at_s] = found
            while len(self.kept) > MOST:
                self.kept.popitem(last=False)
        return found
