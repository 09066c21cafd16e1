"""An end to what takes too long, at the price of one timer a request: a timeout around each piece of a stream cost more
than passing the piece on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Patience:
    """Calls ``give_up`` once something that ``begin`` was told of has taken ``most_s`` and no ``rest`` came. The timer
    is set when it is first needed and moved when it fires, not at each beginning.
    """

    most_s: float
    give_up: Callable[[], None]
    due_s: float = math.inf
    timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Something begins now."""
        loop = asyncio.get_running_loop()
        self.due_s = loop.time() + self.most_s
        if self.timer is None:
            self.timer = loop.call_at(self.due_s, self._look)

    def rest(self) -> None:
        """It has ended."""
        self.due_s = math.inf

    def close(self) -> None:
        """Nothing more will begin."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self.timer = None
        if self.due_s <= loop.time():
            self.give_up()
        elif self.due_s < math.inf:
            self.timer = loop.call_at(self.due_s, self._look)
