"""Requests in proportion to the speed of the hardware: a replica twice as fast holds twice as many.

Speed is the law's own: requests per second of a usual size (1,000 tokens in, 200 out; DESIGN 4's work ``w``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState

USUAL_INPUT_TOKENS, USUAL_OUTPUT_TOKENS = 1000, 200


@jit
def usual_work_s(s: EngineState, row: int) -> float:
    """Seconds of work that a usual request is on that replica."""
    rep = s.replicas[row]
    context = USUAL_INPUT_TOKENS + USUAL_OUTPUT_TOKENS / 2
    return rep.p * USUAL_INPUT_TOKENS + USUAL_OUTPUT_TOKENS * (rep.b + rep.k * context)


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The one that would have the least work after it, were every request a usual one."""
    best, least = rows[turn % count], np.inf
    for i in range(count):
        row = rows[(turn + i) % count]
        rep = s.replicas[row]
        work_s = (rep.running + rep.waiting + 1) * usual_work_s(s, row)
        if work_s < least:
            best, least = row, work_s
    return best
