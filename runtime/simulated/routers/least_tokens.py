"""The replica with the fewest prompt tokens in flight: a long prompt weighs more than a short one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The first with the fewest tokens, from the turn on."""
    best, fewest = rows[turn % count], 1 << 60
    for i in range(count):
        row = rows[(turn + i) % count]
        if s.replicas[row].prompt_in_flight < fewest:
            best, fewest = row, s.replicas[row].prompt_in_flight
    return best
