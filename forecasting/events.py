"""What operators know beforehand: a launch at 14:00 that triples the load for two hours, a holiday that halves it.

The history is kept as if there were no events: what came during one is divided by its factor. What is told ahead is
multiplied by the greatest factor between now and the horizon, so capacity is there when the event begins. Where the
event brings less than was expected, the load lies below the usual, and the experts follow it down within minutes; so
for ``SETTLING_S`` from its beginning the forecast stays at least what it was before, times the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.history import Array

SETTLING_S = 900.0


@dataclass(frozen=True, slots=True)
class Event:
    """From ``start_s`` until ``end_s`` (UTC) the load is expected to be ``factor`` times the usual."""

    name: str
    start_s: float
    end_s: float
    factor: float


def factor_at(events: Sequence[Event], at_s: float) -> float:
    """Times the usual load; events that overlap multiply."""
    return float(np.prod([event.factor for event in events if event.start_s <= at_s < event.end_s]))


def factors_at(events: Sequence[Event], times: Array) -> Array:
    """``factor_at`` for many times, same shape."""
    factors = np.ones(len(times))
    for event in events:
        factors[(times >= event.start_s) & (times < event.end_s)] *= event.factor
    return factors


def factor_within(events: Sequence[Event], now_s: float, until_s: float) -> float:
    """The greatest factor between two times, both included; it can only change where an event begins or ends."""
    edges = [edge for event in events for edge in (event.start_s, event.end_s) if now_s < edge <= until_s]
    return max(factor_at(events, at_s) for at_s in (now_s, *edges))


def settling(events: Sequence[Event], now_s: float) -> bool:
    """Whether an event that raises the load has just begun."""
    return any(e.factor > 1 and e.start_s <= now_s < min(e.start_s + SETTLING_S, e.end_s) for e in events)
