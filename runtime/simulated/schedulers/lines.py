"""Waiting lines of a replica: line 0 holds who was preempted and always goes first, the others one class each.

Within a line requests stand in the order of their arrival, so a scheduler that prefers one class to another looks at
the heads alone. Whoever has waited longer than ``patience_s`` goes before all classes, so nobody starves.
"""

from __future__ import annotations

from runtime.simulated.jit import jit
from runtime.simulated.state import LINES, NO_SLOT, EngineState


@jit
def oldest(s: EngineState, row: int) -> int:
    """The head that came first, preempted ones aside; NO_SLOT if there is none."""
    best = NO_SLOT
    for line in range(1, LINES):
        head = s.line_head[row, line]
        if head != NO_SLOT and (best == NO_SLOT or s.requests[head].ticket < s.requests[best].ticket):
            best = head
    return best


@jit
def due_s(s: EngineState, row: int, slot: int) -> float:
    """When a waiting request's patience ends; after that it is overdue."""
    return s.requests[slot].arrival + s.replicas[row].patience_s
