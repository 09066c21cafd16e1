"""SAL, a reading of arXiv 2410.17840: the replica where the longer of two waits is shortest.

A request waits because its prefill stands in line behind other prefills (``t_compute``), or because the KV memory
that it needs is not free yet (``t_memory``). Both are seconds, so replicas of different speed compare. What a request
will write is taken as the mean output on that replica so far; memory comes back at the mean rate so far. What the
replica has cached of a prompt needs neither. Of a step that is not full only what is in it counts, so a short prompt,
or the uncached end of one, is told from a long one.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.prefixes import hits
from runtime.simulated.state import EngineState


@jit
def wait_s(s: EngineState, row: int, tokens: int) -> float:
    """Seconds that a prompt of so many uncached tokens would wait on that replica."""
    rep = s.replicas[row]
    line = rep.unprefilled + tokens
    step_s = rep.a + rep.b * rep.decoding + rep.k * rep.kv_tokens
    compute_s = math.ceil(line / rep.budget) * step_s + rep.p * line
    output = rep.generation_tokens / max(1, rep.stopped + rep.length_capped)
    demand = rep.waiting_tokens + tokens + output * (rep.waiting + 1)
    short = demand - (rep.usable_blocks - rep.used_blocks) * rep.block
    if short <= 0:
        return compute_s
    # Before anything has ended, memory is taken to come back as slowly as one block a second.
    rate = max(rep.released_tokens / rep.busy_s if rep.busy_s > 0 else 0.0, float(rep.block))
    return max(compute_s, short / rate)


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The shortest wait; of equal ones that with fewer running, then the first from the turn on."""
    best, least, running = rows[turn % count], np.inf, 1 << 60
    for i in range(count):
        row = rows[(turn + i) % count]
        wait = wait_s(s, row, s.requests[slot].input - hits(s, row, slot) * s.replicas[row].block)
        if wait < least or (wait == least and s.replicas[row].running < running):
            best, least, running = row, wait, s.replicas[row].running
    return best
