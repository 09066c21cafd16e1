"""The recorded load of one service on an even grid of ticks, as a policy can be replayed on it. Pure values.

What was not recorded is NaN and stays a gap: a replayed policy then sees an invalid observation, as it would have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MINUTE_S = 60.0
"""Rows of a past are at most so far apart: ticks, or means of minutes."""

MOST_TICKS = 6_000
"""More ticks than this take longer than anybody waits; a longer past is replayed in longer ticks."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Ticks of ``tick_s`` that end at ``times`` (n,), UTC seconds; all others (n,), NaN where nothing was recorded.

    ``arrivals_per_s`` and the mean lengths make the load; ``replicas``, ``usd_per_hour`` and ``attainment`` are what
    really was.
    """

    tick_s: float
    times: Floats
    erlangs: Floats
    arrivals_per_s: Floats
    input_tokens: Floats
    output_tokens: Floats
    replicas: Floats
    usd_per_hour: Floats
    attainment: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Ticks whose load was recorded, shape (n,)."""
        return np.isfinite(self.erlangs) & np.isfinite(self.arrivals_per_s)


SIGNALS = (
    "offered_erlangs",
    "arrivals_per_s",
    "input_tokens_per_s",
    "output_tokens_per_s",
    "replicas_active",
    "usd_per_hour",
    "attainment",
)
"""What has to be read from the history, in the order in which ``on_grid`` takes it."""


def tick_of(span_s: float, interval_s: float) -> float:
    """How long a tick of the replay is: the loop's own interval, or more where there would be too many."""
    return interval_s * max(1, math.ceil(span_s / interval_s / MOST_TICKS))


def on_grid(times: Floats, rows: list[Floats], start_s: float, end_s: float, tick_s: float) -> Recorded:
    """Rows of ``SIGNALS`` at ascending ``times`` as ticks that end after ``start_s`` and at ``end_s`` at the latest.

    A tick has the mean of its rows; where rows are further apart than ticks (minutes of the past), the next row's.
    """
    ends = np.arange(start_s + tick_s, end_s + 1e-6, tick_s)
    columns = [_held(times, values, ends, tick_s) for values in rows]
    erlangs, arrivals, tokens_in, tokens_out, replicas, usd, attainment = columns
    some = np.where(arrivals > 0, arrivals, np.nan)
    return Recorded(tick_s, ends, erlangs, arrivals, tokens_in / some, tokens_out / some, replicas, usd, attainment)


def _held(times: Floats, values: Floats, ends: Floats, tick_s: float) -> Floats:
    """Means over the rows of each tick; where it has none, the row that ends the minute it lies in."""
    found = np.full(len(ends), np.nan)
    if not len(times):
        return found
    first, last = (np.searchsorted(times, at, side="right") for at in (ends - tick_s, ends))
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    number = counts[last] - counts[first]
    np.divide(sums[last] - sums[first], number, out=found, where=number > 0)
    after = np.minimum(first, len(times) - 1)
    lent = (last == first) & (times[after] >= ends) & (times[after] - ends < MINUTE_S)
    return np.where(lent, values[after], found)
