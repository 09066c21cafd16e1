"""Outages put into a series on purpose, to see what forecasts make of them and after them.

Two kinds, as collectors fail: for some hours nothing is known, or for some the sum is told as zero. The same for a
seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.history import Array, History

EVERY_DAYS = 2
"""In each of these spans there is one of either kind."""

BLANK_CELLS = (60, 240)
ZERO_CELLS = (20, 120)
"""Shortest and longest of each kind."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Cells ``first`` … ``last``, without data, or, where ``zero``, told as zero."""

    first: int
    last: int
    zero: bool


def draw(history: History, seed: int) -> list[Outage]:
    """Outages for the whole history, none in its first day."""
    rng = np.random.default_rng(seed)
    span = EVERY_DAYS * history.day
    made = []
    for begin in range(history.first + history.day, history.last - BLANK_CELLS[1], span):
        end = min(begin + span, history.last + 1)
        for zero, lengths in ((False, BLANK_CELLS), (True, ZERO_CELLS)):
            length = int(rng.integers(*lengths))
            first = int(rng.integers(begin, end - length))
            made.append(Outage(first, first + length - 1, zero))
    return made


def broken(history: History, outages: Sequence[Outage]) -> History:
    """What collectors would have told."""
    roots = history.roots.copy()
    for outage in sorted(outages, key=lambda one: one.zero):
        roots[outage.first - history.first : outage.last + 1 - history.first] = 0.0 if outage.zero else np.nan
    return History(history.step_s, history.first, roots)


def true(history: History, outages: Sequence[Outage]) -> History:
    """What was right in it: every outage a gap."""
    roots: Array = history.roots.copy()
    for outage in outages:
        roots[outage.first - history.first : outage.last + 1 - history.first] = np.nan
    return History(history.step_s, history.first, roots)
