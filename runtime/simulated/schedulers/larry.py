"""LARRY, a reading of arXiv 2410.17840: admit by predicted memory, prefer short prompts only when it is crowded.

Every request has a demand, the KV blocks that it will hold if it writes as much as ``PERCENT`` of its like write at
most (the median: of many together, some write more and some less). It is
admitted while the demands of what runs leave room below ``FULL`` of the cache, so that growth seldom forces anybody
out; with the engine empty it goes in anyway. Below ``CALM`` of the cache demanded, waiting ones included, the order
is that of arrival; towards ``CROWDED`` the time to prefill counts more and more against the time waited. Whoever's
patience has ended goes first, and nobody passes who is next. If blocks run out all the same, whoever costs least to
recompute gives way, but nobody more than ``MOST_PREEMPTIONS`` times while there is another.
"""

from __future__ import annotations

import numpy as np

from runtime.simulated.jit import jit
from runtime.simulated.schedulers.lengths import length_class, predict
from runtime.simulated.schedulers.lines import due_s, oldest
from runtime.simulated.state import DECODE, LINES, NO_SLOT, EngineState

PERCENT = 50
FULL_PERCENT = 95
CALM, CROWDED = 0.7, 1.2
AGEING = 2.0**-10
"""A second of waiting counts as much as so many seconds of prefill, about 14 tokens of a 70B model on 2 H100."""
MOST_PREEMPTIONS = 2


@jit
def line(s: EngineState, row: int, slot: int) -> int:
    """The line of a request that arrives."""
    return 1 + length_class(s.requests[slot].input)


@jit
def demand(s: EngineState, row: int, slot: int) -> int:
    """KV blocks that a request is expected to hold when it ends."""
    rep, req = s.replicas[row], s.requests[slot]
    tokens = min(rep.max_tokens, req.input + predict(s, row, req.input, req.generated, PERCENT))
    return (tokens + rep.block - 1) // rep.block


@jit
def crowding(s: EngineState, row: int) -> float:
    """From 0, order of arrival, to 1, where the time to prefill counts in full."""
    rep = s.replicas[row]
    load = (rep.demand_running + rep.demand_waiting) / rep.usable_blocks
    return min(1.0, max(0.0, (load - CALM) / (CROWDED - CALM)))


@jit
def pick(s: EngineState, row: int) -> int:
    """Who is next of those that were never preempted."""
    rep = s.replicas[row]
    best = oldest(s, row)
    if best == NO_SLOT or rep.clock > due_s(s, row, best):
        return best
    crowd, least = crowding(s, row), np.inf
    for at in range(1, LINES):
        head = s.line_head[row, at]
        if head == NO_SLOT:
            continue
        req = s.requests[head]
        # The time waited is the present less the arrival, and the present is the same for all.
        key = rep.p * req.input * crowd + AGEING * req.arrival
        if key < least or (key == least and req.ticket < s.requests[best].ticket):
            best, least = head, key
    return best


@jit
def admits(s: EngineState, row: int, slot: int) -> bool:
    """Whether the demand of that request fits beside what runs."""
    rep = s.replicas[row]
    wanted = rep.demand_running + s.requests[slot].demand
    return rep.running == 0 or 100 * wanted <= FULL_PERCENT * rep.usable_blocks


@jit
def victim(s: EngineState, row: int, slot: int) -> int:
    """Who gives way of the running requests from ``slot`` on, none of which has its blocks for this step yet."""
    rep = s.replicas[row]
    best, least = rep.run_tail, 1 << 60
    while slot != NO_SLOT:
        req = s.requests[slot]
        computed = req.computed + (rep.steps - req.join_step if req.status == DECODE else 0)
        if req.preemptions < MOST_PREEMPTIONS and computed <= least:
            best, least = slot, computed
        slot = req.next
    return best
