"""The noun: a trace, and the error that a file which is none gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int32]
"""(n,) int32: keys from 1 on, 0 for none."""

Index = slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]

_COLUMNS = ("arrival_s", "input_tokens", "output_tokens", "client", "session", "prefix", "prefix_tokens")


class TraceError(ValueError):
    """A file that cannot be read as a trace; the message is one line naming file, place, value and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests in the order of their arrival.

    ``arrival_s`` (n,) float64, seconds from the first request, so the first is 0; ``input_tokens`` and
    ``output_tokens`` (n,) int32, each 1 or more. ``start_s`` is the UTC time of the first request where the file has
    wall times. ``notes`` says in a sentence each what was left out.

    Who belongs together, None where nothing is known: ``client``, ``session`` and ``prefix`` are keys. Of two requests
    with the same ``prefix`` the first tokens are the same, as many as the lesser of their ``prefix_tokens`` (n,) int32
    says. So a cache that holds of each key the most ``prefix_tokens`` it has seen serves a request the lesser of that
    and its own. 0 tokens are safe: nothing is known to be shared.
    """

    name: str
    arrival_s: npt.NDArray[np.float64]
    input_tokens: npt.NDArray[np.int32]
    output_tokens: npt.NDArray[np.int32]
    start_s: float | None = None
    notes: tuple[str, ...] = ()
    client: Keys | None = None
    session: Keys | None = None
    prefix: Keys | None = None
    prefix_tokens: npt.NDArray[np.int32] | None = None

    @property
    def requests(self) -> int:
        """How many requests."""
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """Seconds from the first request to the last."""
        return float(self.arrival_s[-1])

    def take(self, index: Index) -> Trace:
        """The requests of a slice, a mask or an array of places, with all their columns and their times as they are.

        Whoever takes from the middle moves ``arrival_s`` himself; whoever takes a request twice has two that share.
        """
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return replace(self, **{name: column[index] for name, column in columns.items() if column is not None})
