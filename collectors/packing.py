"""Rows of signals as bytes and back, and minutes from ticks: the pure half of the history.

A row is little-endian doubles, one per signal in the order of their positions; NaN is a gap. Rows written
before a signal was first seen are shorter, which reads as a gap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

MINUTE_S = 60.0
_DOUBLE = np.dtype("<f8")
_GAP = np.array([np.nan], dtype=_DOUBLE).tobytes()


def pack(signals: Mapping[str, float | None], positions: Mapping[str, int]) -> bytes:
    """The row of these signals; those not named are gaps."""
    row = np.full(max((positions[name] for name in signals), default=-1) + 1, np.nan, dtype=_DOUBLE)
    for name, value in signals.items():
        row[positions[name]] = np.nan if value is None else value
    return row.tobytes()


def unpack(rows: Sequence[bytes]) -> Array:
    """Rows as an array (rows, signals), as wide as the longest."""
    width = max(map(len, rows), default=0)
    whole = b"".join(row if len(row) == width else row + _GAP * ((width - len(row)) // 8) for row in rows)
    return np.frombuffer(whole, dtype=_DOUBLE).reshape(len(rows), width // 8)


def column(values: Array, position: int | None) -> Array:
    """One signal of unpacked rows; all gaps where they do not reach it."""
    if position is None or position >= values.shape[1]:
        return np.full(len(values), np.nan)
    return np.array(values[:, position], dtype=np.float64)


def minutes(times: Array, values: Array, peaks: Collection[int]) -> tuple[Array, Array]:
    """Ticks in order of time as minutes ``(t − 60, t]``: the mean of each signal, the maximum at ``peaks``.

    Gaps are left out; a minute of gaps alone stays one.
    """
    ends = np.ceil(times / MINUTE_S) * MINUTE_S
    minute, first = np.unique(ends, return_index=True)
    told = np.add.reduceat(np.isfinite(values), first, axis=0, dtype=np.float64)
    sums = np.add.reduceat(np.where(np.isfinite(values), values, 0.0), first, axis=0)
    merged = np.divide(sums, told, out=np.full(sums.shape, np.nan), where=told > 0)
    top = [position for position in peaks if position < values.shape[1]]
    merged[:, top] = np.fmax.reduceat(values[:, top], first, axis=0)
    return minute, merged
