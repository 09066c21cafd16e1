"""Who ends next: a heap of the steps in which decoding requests write their last token.

Entries of requests that were preempted or ended meanwhile stay in the heap and are dropped when they surface; where it
is full of them, it is made anew from the queue of what runs.
"""

from __future__ import annotations

from runtime.simulated.jit import jit, jit_apart
from runtime.simulated.state import DECODE, NO_SLOT, EngineState


@jit
def push(s: EngineState, row: int, step: int, slot: int) -> None:
    """A request that runs decodes from now on, and ends with that step."""
    if s.replicas[row].heap_size == s.heap_step.shape[1]:
        _rebuild(s, row)
    else:
        _insert(s, row, step, slot)


@jit
def _insert(s: EngineState, row: int, step: int, slot: int) -> None:
    """There is room for it."""
    rep = s.replicas[row]
    steps, slots = s.heap_step[row], s.heap_slot[row]
    i = rep.heap_size
    rep.heap_size += 1
    while i > 0 and steps[(i - 1) >> 1] > step:
        steps[i], slots[i] = steps[(i - 1) >> 1], slots[(i - 1) >> 1]
        i = (i - 1) >> 1
    steps[i], slots[i] = step, slot


@jit_apart
def _rebuild(s: EngineState, row: int) -> None:
    """Refill from the running list, which has whoever decodes and nobody who left."""
    rep = s.replicas[row]
    rep.heap_size = 0
    slot = rep.run_head
    while slot != NO_SLOT:
        if s.requests[slot].status == DECODE:
            _insert(s, row, s.requests[slot].finish_step, slot)
        slot = s.requests[slot].next


@jit
def pop(s: EngineState, row: int) -> None:
    """Take out the one that ends first."""
    rep = s.replicas[row]
    steps, slots = s.heap_step[row], s.heap_slot[row]
    rep.heap_size -= 1
    n = rep.heap_size
    step, slot = steps[n], slots[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and steps[child + 1] < steps[child]:
            child += 1
        if steps[child] >= step:
            break
        steps[i], slots[i] = steps[child], slots[child]
        i = child
    steps[i], slots[i] = step, slot


@jit
def next_finish(s: EngineState, row: int) -> int:
    """Step at which the next decoding request ends, or -1 where none decodes."""
    rep = s.replicas[row]
    while rep.heap_size > 0:
        step: int = s.heap_step[row, 0]
        req = s.requests[s.heap_slot[row, 0]]
        if req.status == DECODE and req.replica == row and req.finish_step == step:
            return step
        pop(s, row)
    return -1
