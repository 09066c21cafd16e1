"""Request slots: where requests live while they are in the fleet, taken from and given back to one free list.

The arrays grow when they are full, so a long run needs memory for what is in flight, not for what ever was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.simulated.state import FREE, NO_SLOT, REQUEST, EngineState


class Slots:
    """The free list over ``state.requests``. Read ``state`` again after taking: growing replaces the arrays."""

    state: EngineState
    in_use: int

    def attach(self, state: EngineState) -> EngineState:
        """Manage the slots of ``state``, all free."""
        self.state = state
        self.in_use = 0
        self._free = np.arange(len(state.requests) - 1, -1, -1, dtype=np.int64)
        self._left = len(self._free)
        return state

    def take(
        self,
        arrival_s: npt.NDArray[np.float64],
        input_tokens: npt.NDArray[Any],
        output_tokens: npt.NDArray[Any],
        service: npt.NDArray[np.int32],
    ) -> npt.NDArray[np.int64]:
        """Slots for n new requests, all arguments of shape (n,); outputs below one token count as one."""
        count = len(arrival_s)
        while self._left < count:
            self._grow()
        self._left -= count
        taken = self._free[self._left : self._left + count].copy()
        records = np.zeros(count, REQUEST)
        records["arrival"], records["service"] = arrival_s, service
        records["input"], records["output"] = input_tokens, np.maximum(output_tokens, 1)
        records["first_scheduled"] = -1.0
        records["replica"] = records["next"] = records["prev"] = NO_SLOT
        self.state.requests[taken] = records
        self.in_use += count
        return taken

    def take_one(self, arrival_s: float, input_tokens: int, output_tokens: int, service: int) -> int:
        """A slot for one request."""
        one = self.take(
            np.array([arrival_s]),
            np.array([input_tokens]),
            np.array([output_tokens]),
            np.array([service], np.int32),
        )
        return int(one[0])

    def ended(self) -> npt.NDArray[np.int64]:
        """Slots that ended since the last call."""
        count = int(self.state.done_count[0])
        self.state.done_count[0] = 0
        return self.state.done[:count].astype(np.int64)

    def mark_ended(self, slot: int) -> None:
        """Note an end that did not happen inside the kernel."""
        self.state.done[self.state.done_count[0]] = slot
        self.state.done_count[0] += 1

    def give_back(self, slots: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """These requests are over and nobody looks at them any more."""
        returned = np.asarray(slots, np.int64)
        self.state.requests["status"][returned] = FREE
        self._free[self._left : self._left + len(returned)] = returned
        self._left += len(returned)
        self.in_use -= len(returned)

    def _grow(self) -> None:
        """Double the arrays; the new half is free."""
        old = len(self.state.requests)
        requests = np.zeros(2 * old, REQUEST)
        requests[:old] = self.state.requests
        done = np.zeros(2 * old, np.int32)
        done[:old] = self.state.done
        self.state = self.state._replace(requests=requests, done=done)
        free = np.zeros(2 * old, np.int64)
        free[:old] = np.arange(2 * old - 1, old - 1, -1)
        free[old : old + self._left] = self._free[: self._left]
        self._free = free
        self._left += old
