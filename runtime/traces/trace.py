"""The noun: a trace, and the error that a file which is none gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class TraceError(ValueError):
    """A file that cannot be read as a trace; the message is one line naming file, place, value and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests in the order of their arrival.

    ``arrival_s`` (n,) float64, seconds from the first request, so the first is 0; ``input_tokens`` and
    ``output_tokens`` (n,) int32, each 1 or more. ``start_s`` is the UTC time of the first request where the file has
    wall times. ``notes`` says in a sentence each what was left out.
    """

    name: str
    arrival_s: npt.NDArray[np.float64]
    input_tokens: npt.NDArray[np.int32]
    output_tokens: npt.NDArray[np.int32]
    start_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests."""
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """Seconds from the first request to the last."""
        return float(self.arrival_s[-1])
