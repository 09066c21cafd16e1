"""The queues of an engine: its waiting lines (singly linked) and what runs (doubly linked, oldest first).

Requests are linked through their own records, so that a queue has no length to run out of; the engine's figures of
what waits and what runs are kept here, with the queue that they are about.
"""

from __future__ import annotations

from runtime.simulated.jit import jit
from runtime.simulated.state import NO_SLOT, EngineState


@jit
def append_waiting(s: EngineState, row: int, slot: int) -> None:
    """Last in its line."""
    rep = s.replicas[row]
    req = s.requests[slot]
    req.next = NO_SLOT
    if s.line_tail[row, req.line] == NO_SLOT:
        s.line_head[row, req.line] = slot
    else:
        s.requests[s.line_tail[row, req.line]].next = slot
    s.line_tail[row, req.line] = slot
    rep.waiting += 1
    rep.waiting_tokens += req.input + req.generated - req.hit
    rep.demand_waiting += req.demand


@jit
def put_first(s: EngineState, row: int, slot: int) -> None:
    """Before everybody else."""
    rep = s.replicas[row]
    req = s.requests[slot]
    req.line = 0
    req.next = s.line_head[row, 0]
    s.line_head[row, 0] = slot
    if s.line_tail[row, 0] == NO_SLOT:
        s.line_tail[row, 0] = slot
    rep.waiting += 1
    rep.waiting_tokens += req.input + req.generated - req.hit
    rep.demand_waiting += req.demand


@jit
def pop_waiting(s: EngineState, row: int, slot: int) -> None:
    """Take out the head of a line."""
    rep = s.replicas[row]
    req = s.requests[slot]
    s.line_head[row, req.line] = req.next
    if req.next == NO_SLOT:
        s.line_tail[row, req.line] = NO_SLOT
    rep.waiting -= 1
    rep.waiting_tokens -= req.input + req.generated - req.hit
    rep.demand_waiting -= req.demand


@jit
def append_running(s: EngineState, row: int, slot: int) -> None:
    """Last of those that run."""
    rep = s.replicas[row]
    req = s.requests[slot]
    req.prev = rep.run_tail
    req.next = NO_SLOT
    if rep.run_tail == NO_SLOT:
        rep.run_head = slot
    else:
        s.requests[rep.run_tail].next = slot
    rep.run_tail = slot
    rep.running += 1
    rep.demand_running += req.demand


@jit
def remove_running(s: EngineState, row: int, slot: int) -> None:
    """Take out any of those that run."""
    rep = s.replicas[row]
    req = s.requests[slot]
    if req.prev == NO_SLOT:
        rep.run_head = req.next
    else:
        s.requests[req.prev].next = req.next
    if req.next == NO_SLOT:
        rep.run_tail = req.prev
    else:
        s.requests[req.next].prev = req.prev
    rep.running -= 1
    rep.demand_running -= req.demand
