"""Any replica, each as likely as the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runtime.simulated.jit import jit
from runtime.simulated.routers.draw import draw
from runtime.simulated.state import EngineState


@jit
def choose(s: EngineState, rows: npt.NDArray[np.int64], count: int, slot: int, turn: int) -> int:
    """One drawn from the turn."""
    return rows[draw(turn, 0) % count]
