"""Each replica in its turn, whatever it has to do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """The next one."""
    return rows[turn % count]
