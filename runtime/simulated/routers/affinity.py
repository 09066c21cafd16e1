"""Where a key belongs: rendezvous hashing, so that a replica that comes or goes moves only the keys that it must."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers.draw import draw


@jit
def home(key: int, rows: npt.NDArray[np.int64], count: int) -> int:
    """The row that draws the highest number for this key."""
    best, highest = rows[0], -1
    for i in range(count):
        number = draw(key, rows[i])
        if number > highest:
            best, highest = rows[i], number
    return best
