"""Requests reach replicas: the router of the simulated fleet, with the fewest requests first.

Replicas are advanced only when something in them may have changed what the router sees, which is what keeps a fleet
of hundreds fast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.state import HELD, EngineState


@jit
def least_requests(s: EngineState, rows: npt.NDArray[np.int64], count: int, now_s: float, start: int) -> int:
    """Row with the fewest running and waiting requests, the first from ``start`` on where several tie; -1 if none."""
    best, fewest = -1, 1 << 60
    for i in range(count):
        row = rows[(start + i) % count]
        rep = s.replicas[row]
        if rep.wake <= now_s or rep.aborting > 0:
            advance(s, row, now_s)
        if rep.running + rep.waiting < fewest:
            best, fewest = row, rep.running + rep.waiting
    return best


@jit
def dispatch(
    s: EngineState,
    slots: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    turn: npt.NDArray[np.int64],
) -> int:
    """Route arrivals, in order of time, to the accepting replicas of their service; gives how many found none.

    ``rows[service, :counts[service]]`` are those replicas. A request that finds none is marked HELD.
    """
    held = 0
    for slot in slots:
        req = s.requests[slot]
        service = req.service
        row = -1
        if counts[service] > 0:
            turn[service] += 1
            row = least_requests(s, rows[service], counts[service], req.arrival, turn[service])
        if row < 0:
            req.status = HELD
            held += 1
            continue
        advance(s, row, req.arrival)
        enqueue(s, row, slot, req.arrival)
    return held


@jit
def advance_all(s: EngineState, rows: npt.NDArray[np.int64], until_s: float) -> None:
    """Bring these replicas up to ``until_s``."""
    for row in rows:
        advance(s, row, until_s)
