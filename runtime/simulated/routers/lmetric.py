"""LMetric (arXiv 2603.15202): tokens to prefill times requests in the batch; least wins.

Both factors count the request itself, so that of two idle replicas the one with less to prefill is taken, less what a
replica has cached of it. No knobs: the weights of the two cancel in the product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.prefixes import hits
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The first with the least product, from the turn on."""
    best, least = rows[turn % count], np.inf
    for i in range(count):
        row = rows[(turn + i) % count]
        rep = s.replicas[row]
        uncached = s.requests[slot].input - hits(s, row, slot) * rep.block
        score = (rep.unprefilled + uncached) * float(rep.running + rep.waiting + 1)
        if score < least:
            best, least = row, score
    return best
