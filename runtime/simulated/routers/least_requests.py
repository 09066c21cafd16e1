"""The replica with the fewest requests, running and waiting; equal ones take turns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The first with the fewest, from the turn on."""
    start = turn % count
    best, fewest = rows[start], 1 << 60
    for _ in range(count):
        row = rows[start]
        rep = s.replicas[row]
        if rep.running + rep.waiting < fewest:
            best, fewest = row, rep.running + rep.waiting
        start = start + 1 if start + 1 < count else 0
    return best
