"""Requests reach replicas: what the router must see is brought up to date, the router chooses, the request is sent.

Replicas are advanced only when something in them may have changed what the router sees, which is what keeps a fleet
of hundreds fast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.routers import ENDS, LEAST_REQUESTS, NOTHING, SEES, STEPS, choose
from runtime.simulated.state import HELD, NO_SLOT, EngineState


@jit
def refresh(s: EngineState, rows: npt.NDArray[np.int64], count: int, now_s: float, sees: int) -> None:
    """Advance those replicas in which something may have happened that matters to a router that sees so much."""
    if sees == NOTHING:
        return
    for i in range(count):
        rep = s.replicas[rows[i]]
        if sees == STEPS or rep.wake <= now_s or rep.aborting > 0:
            advance(s, rows[i], now_s)


@jit
def least_requests(s: EngineState, rows: npt.NDArray[np.int64], count: int, now_s: float, start: int) -> int:
    """Row with the fewest running and waiting requests, the first from ``start`` on where several tie; -1 if none."""
    if count == 0:
        return -1
    refresh(s, rows, count, now_s, ENDS)
    return choose(LEAST_REQUESTS, s, rows, count, NO_SLOT, start)


@jit
def dispatch(
    s: EngineState,
    slots: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    turn: npt.NDArray[np.int64],
    router: int = LEAST_REQUESTS,
) -> int:
    """Route arrivals, in order of time, to the accepting replicas of their service; gives how many found none.

    ``rows[service, :counts[service]]`` are those replicas. A request that finds none is marked HELD. ``turn``, one
    number a service, counts requests from wherever it starts; it is the only source of chance.
    """
    held = 0
    for slot in slots:
        req = s.requests[slot]
        service = req.service
        if counts[service] == 0:
            req.status = HELD
            held += 1
            continue
        turn[service] += 1
        refresh(s, rows[service], counts[service], req.arrival, SEES[router])
        row = choose(router, s, rows[service], counts[service], slot, turn[service])
        advance(s, row, req.arrival)
        enqueue(s, row, slot, req.arrival)
    return held


@jit
def advance_all(s: EngineState, rows: npt.NDArray[np.int64], until_s: float) -> None:
    """Bring these replicas up to ``until_s``."""
    for row in rows:
        advance(s, row, until_s)
