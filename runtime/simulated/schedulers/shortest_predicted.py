"""Shortest predicted first: the waiting request whose answer is expected to be short, by classes of length.

The expectation is the median that ``lengths`` predicts from the prompt when the request comes; equal classes go in
the order of arrival, and whoever's patience has ended goes first. What runs is never pushed out for it.
"""

from __future__ import annotations

from runtime.simulated.jit import jit
from runtime.simulated.schedulers.lengths import length_class, predict
from runtime.simulated.schedulers.lines import due_s, oldest
from runtime.simulated.state import LINES, NO_SLOT, EngineState

PERCENT = 50


@jit
def line(s: EngineState, row: int, slot: int) -> int:
    """The line of a request that arrives."""
    return 1 + length_class(predict(s, row, s.requests[slot].input, 0, PERCENT))


@jit
def pick(s: EngineState, row: int) -> int:
    """Who is next of those that were never preempted."""
    first = oldest(s, row)
    if first == NO_SLOT or s.replicas[row].clock > due_s(s, row, first):
        return first
    for at in range(1, LINES):
        if s.line_head[row, at] != NO_SLOT:
            return s.line_head[row, at]
    return NO_SLOT
