"""Reserved commitments: so many GPUs of one offer, paid for every hour whether they are used or not.

Within an hour they cover what was held of their offer, on demand, at the committed rate; what they do not cover stays
at its own price, and what is left of them is *unused*: it is charged to those who used the offer in that hour, or to
nobody's account where no one did. Covered and unused are whole GPU-milliseconds, so an hour of a commitment costs
exactly ``gpus × rate``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscaler.cost.book import Sku
from autoscaler.cost.money import MS_PER_HOUR, Ints, micro_usd, shared


@dataclass(frozen=True, slots=True)
class Commitment:
    """``gpus`` of an offer from ``start_s`` until ``end_s``, UTC seconds, at a rate per GPU-hour."""

    name: str
    sku: Sku
    gpus: int
    usd_per_gpu_hour: float
    start_s: float
    end_s: float

    def covers(self, hour_s: int) -> bool:
        """Whether it runs in the hour that begins then."""
        return self.start_s <= hour_s < self.end_s

    @property
    def ms_per_hour(self) -> int:
        """What it holds in an hour, GPU-milliseconds."""
        return self.gpus * MS_PER_HOUR


@dataclass(frozen=True, slots=True, eq=False)
class Covered:
    """One commitment over a span: ``used_ms`` (n,) of each row that it pays for, ``unused_ms`` by hour (hours,)."""

    commitment: Commitment
    used_ms: Ints
    unused_ms: Ints

    @property
    def rate(self) -> int:
        """Micro-USD per GPU-hour."""
        return micro_usd(self.commitment.usd_per_gpu_hour)


def cover(
    commitments: Sequence[Commitment], hours: Ints, row_hour: Ints, row_sku: Sequence[Sku | None], row_ms: Ints
) -> list[Covered]:
    """Each commitment in turn over what those before it left.

    ``hours`` (hours,) are the starts of the span's hours; ``row_hour``, ``row_ms`` (n,) and ``row_sku`` say what was
    held when, None where a row cannot be covered.
    """
    left = row_ms.copy()
    found = []
    for commitment in commitments:
        own = np.array([sku == commitment.sku for sku in row_sku], dtype=bool)
        used, unused = np.zeros_like(row_ms), np.zeros(len(hours), dtype=np.int64)
        for index, hour_s in enumerate(hours.tolist()):
            if commitment.covers(hour_s):
                rows = np.flatnonzero(own & (row_hour == hour_s))
                unused[index] = _one_hour(commitment.ms_per_hour, rows, left, used)
        left -= used
        found.append(Covered(commitment, used, unused))
    return found


def _one_hour(held_ms: int, rows: Ints, left: Ints, used: Ints) -> int:
    """Cover rows by what is held in the hour; gives what is left over."""
    asked: list[int] = left[rows].tolist()
    covered = min(held_ms, sum(asked))
    if covered:
        used[rows] = shared(covered, asked)
    return held_ms - covered
