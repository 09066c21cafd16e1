"""Of two replicas drawn at random, the one with fewer requests: most of what least-requests gives, for two looks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers.draw import draw
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The less loaded of two different ones."""
    i = draw(turn, 0) % count
    if count == 1:
        return rows[i]
    first, second = rows[i], rows[(i + 1 + draw(turn, 1) % (count - 1)) % count]
    here, there = s.replicas[first], s.replicas[second]
    return second if there.running + there.waiting < here.running + here.waiting else first
