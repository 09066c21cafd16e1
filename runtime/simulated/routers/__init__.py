"""Routers: which replica a request goes to. One small file each; this is where they are registered.

A router is ``choose(s, rows, count, slot, turn) -> row``: of the replicas ``rows[:count]``, count 1 or more, the one
for the request in ``slot``. ``turn`` counts the requests of the service, from a seed, and is all the chance there is.
The choice of a router is its place in ``ROUTERS``, so that one compiled loop serves them all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers import (
    least_requests,
    least_tokens,
    lmetric,
    power_of_two,
    prefix_affinity,
    random_choice,
    round_robin,
    sal,
    session_affinity,
    weighted,
)
from runtime.simulated.state import EngineState

NOTHING, ENDS, STEPS = range(3)
"""What a router must see of replicas: nothing, what changes when requests end, or what changes in every step."""

ROUTERS: dict[str, int] = {
    "least-requests": ENDS,
    "round-robin": NOTHING,
    "random": NOTHING,
    "power-of-two": ENDS,
    "least-tokens": ENDS,
    "weighted": ENDS,
    "session-affinity": ENDS,
    "prefix-affinity": ENDS,
    "lmetric": STEPS,
    "sal": STEPS,
}
"""Name -> what it must see; the order is that of ``choose``."""

SEES = np.array(list(ROUTERS.values()))

LEAST_REQUESTS = 0


def router(name: str) -> int:
    """The number of a router; raises ValueError, naming those there are."""
    if name not in ROUTERS:
        raise ValueError(f"no router {name!r}; there are {', '.join(ROUTERS)}")
    return list(ROUTERS).index(name)


@jit
def choose(router: int, s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The choice of the router with that number."""
    if router == 0:
        return least_requests.choose(s, rows, count, slot, turn)
    if router == 1:
        return round_robin.choose(s, rows, count, slot, turn)
    if router == 2:
        return random_choice.choose(s, rows, count, slot, turn)
    if router == 3:
        return power_of_two.choose(s, rows, count, slot, turn)
    if router == 4:
        return least_tokens.choose(s, rows, count, slot, turn)
    if router == 5:
        return weighted.choose(s, rows, count, slot, turn)
    if router == 6:
        return session_affinity.choose(s, rows, count, slot, turn)
    if router == 7:
        return prefix_affinity.choose(s, rows, count, slot, turn)
    if router == 8:
        return lmetric.choose(s, rows, count, slot, turn)
    return sal.choose(s, rows, count, slot, turn)
