"""Irregular samples on a regular grid: the one history that every expert reads.

Each cell of ``step_s`` seconds holds the mean of its samples, in erlangs, so that a minute is the same thing whether
it was sampled four times, stored as one row, or written down by somebody else; what is over sooner is absorbed by
queues and staffed for by the square-root term of sizing. A sample stands for the time since the one before it, so
cells that fall between two samples take the later value as long as they are at most ``MAX_SPAN_S`` apart; after a
longer silence, or after a sample that was missing (``None``), the cells between are gaps (NaN), never zeros. While a
cell is open it shows the mean of the last ``step_s`` seconds.

Time only moves forward: a sample older than the newest one is ignored. Memory is fixed by ``size``.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from forecasting.history import Array, History

MAX_SPAN_S = 185.0
"""Longest time that one sample may stand for; a fleet replayed at 600 times real speed is sampled every 150
s.
"""


class Grid:
    """A ring of ``size`` cells; cells are numbered ``floor(at_s / step_s)``."""

    def __init__(self, step_s: float, size: int) -> None:
        self.step_s = step_s
        self.size = size
        self.newest: int | None = None
        self.first_at_s: float | None = None
        self.last_at_s: float | None = None
        self._cells: Array = np.full(size, np.nan)
        self._open_sum, self._open_count = 0.0, 0
        self._recent: deque[tuple[float, float]] = deque()
        self._bridge = False
        self._clock_s = -np.inf

    def put(self, at_s: float, value: float | None) -> range:
        """Take one sample and give the cells that it closed; those without data are left out."""
        if at_s < self._clock_s:
            return range(0)
        self._clock_s = at_s
        if value is None:
            self._bridge = False
            return range(0)
        cell = int(at_s // self.step_s)
        closed = self._advance(cell, at_s, value)
        self._open_sum, self._open_count = self._open_sum + value, self._open_count + 1
        _slide(self._recent, at_s, value, self.step_s)
        self._cells[cell % self.size] = _mean(self._recent)
        self.newest, self.last_at_s, self._bridge = cell, at_s, True
        if self.first_at_s is None:
            self.first_at_s = at_s
        return closed

    @classmethod
    def of(cls, step_s: float, size: int, times: Array, values: Array) -> Grid:
        """A grid with this history: ascending UTC seconds and erlangs (NaN is a gap), both of shape (n,)."""
        grid = cls(step_s, size)
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return grid
        end = int(known[-1]) + 1
        recent = times[:end] > times[end - 1] - (size - 1) * step_s
        first, cells = _to_cells(step_s, times[:end][recent], values[:end][recent])
        grid.newest = first + len(cells) - 1
        grid._cells[np.arange(first, grid.newest + 1) % size] = cells
        grid.first_at_s = float(times[max(int(known[0]), end - int(recent.sum()))])
        grid.last_at_s, grid._clock_s = float(times[end - 1]), float(times[-1])
        open_cell = known[times[known] // step_s == grid.newest]
        grid._open_sum, grid._open_count = float(values[open_cell].sum()), len(open_cell)
        for i in known[times[known] > grid.last_at_s - step_s]:
            grid._recent.append((float(times[i]), float(values[i])))
        grid._cells[grid.newest % size] = _mean(grid._recent)
        grid._bridge = end == len(values)
        return grid

    def values(self, first: int, last: int) -> Array:
        """Cells ``first`` to ``last`` inclusive, erlangs; NaN where nothing is known, the future included."""
        if self.newest is None:
            return np.full(last - first + 1, np.nan)
        cells = np.arange(first, last + 1)
        known = (cells <= self.newest) & (cells > self.newest - self.size)
        return np.where(known, self._cells[cells % self.size], np.nan)

    def history(self) -> History:
        """All that is remembered, as an expert sees it; empty before the first sample."""
        if self.newest is None:
            return History(self.step_s, 0, np.zeros(0))
        first = self.newest - self.size + 1
        if self.first_at_s is not None:
            first = max(first, int(self.first_at_s // self.step_s))
        return History(self.step_s, first, np.sqrt(self.values(first, self.newest)))

    def _advance(self, cell: int, at_s: float, value: float) -> range:
        if self.newest is None or self.last_at_s is None:
            return range(0)
        before = self.newest
        if cell == before:
            return range(0)
        self._cells[before % self.size] = self._open_sum / self._open_count
        bridged = self._bridge and at_s - self.last_at_s <= MAX_SPAN_S
        between = np.arange(max(before + 1, cell - self.size), cell)
        self._cells[between % self.size] = value if bridged else np.nan
        self._open_sum, self._open_count = 0.0, 0
        return range(before, cell if bridged else before + 1)


def _slide(window: deque[tuple[float, float]], at_s: float, value: float, span_s: float) -> None:
    window.append((at_s, value))
    while window[0][0] <= at_s - span_s:
        window.popleft()


def _mean(window: deque[tuple[float, float]]) -> float:
    return sum(value for _, value in window) / len(window)


def _to_cells(step_s: float, times: Array, values: Array) -> tuple[int, Array]:
    """First cell and the mean per cell, with cells between two close samples filled by the later one."""
    cell = (times // step_s).astype(np.int64)
    first = int(cell[0])
    count = int(cell[-1]) - first + 1
    known = np.isfinite(values)
    total = np.bincount(cell[known] - first, values[known], count)
    samples = np.bincount(cell[known] - first, minlength=count)
    near = np.zeros(len(times), dtype=bool)
    near[1:] = known[1:] & known[:-1] & (np.diff(times) <= MAX_SPAN_S)
    following = np.searchsorted(cell, np.arange(first, first + count))
    fill = np.where(near, values, np.nan)[following]
    return first, np.where(samples > 0, total / np.maximum(samples, 1), fill)
