"""Every request of a session on the same replica; requests without a session go where there are the fewest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers import least_requests
from runtime.simulated.routers.affinity import home
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The session's home."""
    if s.requests[slot].session == 0:
        return least_requests.choose(s, rows, count, slot, turn)
    return home(s.requests[slot].session, rows, count)
