"""How much the counters of a fleet grew in each step, from their values at the ends of the steps.

Differences of last values lose nothing between two steps, where a rate extrapolates. A replica that starts anew counts
from zero again; one that was not seen for a while is taken to have gone on evenly; one seen for the first time has no
growth yet, since nobody knows when it counted what it brings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def growth(counter: Array, level: Array | None = None) -> Array:
    """Growth of one replica's ``counter``, or of ``counter + level``, in each step between points: (points - 1,).

    ``level`` is what goes up and down beside the counter and starts at zero with it, as requests in flight do beside
    requests finished; its sum with the counter is what has arrived. NaN is a point at which the replica was not seen.
    """
    total = counter if level is None else counter + level
    seen = np.flatnonzero(np.isfinite(total))
    if len(seen) < 2:
        return np.zeros(len(counter) - 1)
    restarted = np.diff(counter[seen]) < 0
    grew = np.where(restarted, total[seen[1:]], np.diff(total[seen]))
    curve = np.interp(np.arange(len(counter)), seen, np.concatenate([[0.0], np.cumsum(grew)]))
    return np.diff(curve)


def whole(arrivals: Array) -> npt.NDArray[np.int64]:
    """Requests of each step as whole numbers, none negative, NaN as none: (steps,).

    What a step has too little (a gauge read a moment before its counter) is taken from the steps that follow, and so is
    what a fraction is rounded by: the sum up to any step is the highest that it has been.
    """
    arrived = np.maximum.accumulate(np.cumsum(np.nan_to_num(arrivals)).clip(0))
    requests: npt.NDArray[np.int64] = np.diff(np.floor(arrived + 0.5), prepend=0.0).astype(np.int64)
    return requests
