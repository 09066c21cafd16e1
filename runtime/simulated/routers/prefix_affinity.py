"""Requests that share a prefix on one replica, where its blocks are cached, unless that replica is overloaded.

The gate is SGLang's: affinity gives way where the home is ahead of the least loaded replica
both by ``GATE_REQUESTS`` and by a factor of ``GATE_RATIO``. Affinity without a gate sends every crowd to one machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers import least_requests
from runtime.simulated.routers.affinity import home
from runtime.simulated.state import EngineState

GATE_REQUESTS, GATE_RATIO = 16, 1.5


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The prefix's home, or the one with the fewest requests."""
    least = least_requests.choose(s, rows, count, slot, turn)
    if s.requests[slot].prefix == 0:
        return least
    row = home(s.requests[slot].prefix, rows, count)
    load = s.replicas[row].running + s.replicas[row].waiting
    fewest = s.replicas[least].running + s.replicas[least].waiting
    overloaded = load - fewest > GATE_REQUESTS and load > GATE_RATIO * fewest
    return least if overloaded else row
