"""The forecaster of one service: takes samples of the offered load, gives quantiles of the maximum that may
come.

Samples go on a grid of one-minute cells (``grid``). Each expert guesses the maximum over the coming cells,
each guess gets the error quantiles it has earned (``calibration``), and the experts are averaged by what they
have cost so far (``combine``). Horizons are rounded up to whole cells, so a horizon of 15 s is answered as 60
s: on the safe side.

``forecast`` gives None before the first sample and where the newest sample is older than an hour. Between the
two, the age of the data is added to every horizon: what is not known widens the band.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasting.calibration import Calibration
from forecasting.combine import Combination
from forecasting.expert import Expert
from forecasting.forecast import Forecast
from forecasting.grid import Array, Grid
from forecasting.last_value import LastValue
from forecasting.recent_mean import RecentMean
from forecasting.seasonal import DAYS, LEVEL_CELLS, Seasonal

HORIZONS_S = (15.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0)
TAUS = (0.5, 0.8, 0.9, 0.95, 0.99)
EXPERTS: tuple[Expert, ...] = (LastValue(), RecentMean(), Seasonal())
MAX_AGE_S = 3600.0
DAY_S = 86400.0


class Forecaster:
    """Forecasts one service; not safe for use from several threads."""

    def __init__(
        self,
        service: str,
        horizons_s: tuple[float, ...] = HORIZONS_S,
        taus: tuple[float, ...] = TAUS,
        step_s: float = 60.0,
    ) -> None:
        self.service = service
        self.horizons_s = horizons_s
        self.taus = taus
        self._step_s = step_s
        self._horizons = tuple(sorted({max(1, math.ceil(h / step_s)) for h in horizons_s}))
        size = int(DAYS * DAY_S / step_s) + self._horizons[-1] + LEVEL_CELLS
        self._grid = Grid(step_s, size)
        self._forget()

    def update(self, at_s: float, erlangs: float | None) -> None:
        """Take the offered load seen at ``at_s``; None is a gap. Older than the newest sample: ignored.

        Raises ValueError for a load that is negative or not finite.
        """
        if erlangs is not None and not (math.isfinite(erlangs) and erlangs >= 0):
            raise ValueError(
                f"offered load of {self.service} is {erlangs}; give erlangs of at least 0, or None for a gap"
            )
        for cell in self._grid.put(at_s, erlangs):
            self._close(cell)

    def load(self, times: Array, values: Array) -> None:
        """Replace the history: samples at UTC seconds (ascending) in erlangs, NaN for gaps; the past is
        replayed to calibrate.

        Samples further apart than the grid's span leave gaps between them. Shapes (n,) and (n,).
        """
        times, values = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        self._grid = Grid.of(self._step_s, self._grid.size, times, values)
        self._forget()
        if self._grid.newest is not None:
            self._replay(self._grid.newest)

    def forecast(self, now_s: float) -> Forecast | None:
        """The forecast as of ``now_s``, or None where there is nothing to go by."""
        grid = self._grid
        if grid.newest is None or grid.last_at_s is None or grid.first_at_s is None:
            return None
        age_s = max(0.0, now_s - grid.last_at_s)
        if age_s > MAX_AGE_S:
            return None
        roots, weights = self._combined(self._bases(grid.newest, grid.newest)[0])
        values = np.maximum(roots, 0.0) ** 2
        values = np.maximum.accumulate(np.maximum.accumulate(values, axis=0), axis=1)
        wanted = np.array(self.horizons_s) + (age_s if age_s > self._step_s else 0.0)
        at = np.maximum(np.array(self._horizons) * self._step_s, 1.0)
        rows = np.stack([np.interp(wanted, at, values[:, t]) for t in range(len(self.taus))], axis=1)
        return Forecast(
            service=self.service,
            made_at_s=now_s,
            horizons_s=self.horizons_s,
            taus=self.taus,
            values=tuple(tuple(map(float, row)) for row in rows),
            model=self._model(weights),
            history_s=now_s - grid.first_at_s,
        )

    def _forget(self) -> None:
        shape = (len(EXPERTS), len(self._horizons), len(self.taus))
        self._calibration = Calibration(len(EXPERTS), self._horizons, self._step_s, self.taus)
        self._combination = Combination(*shape, half_life_cells=DAY_S / self._step_s)
        self._made: dict[int, Array] = {}

    def _bases(self, first: int, last: int) -> Array:
        """All experts' guesses, shape (cells, experts, horizons), erlangs."""
        return np.stack([e.bases(self._grid, first, last, self._horizons) for e in EXPERTS], axis=1)

    def _combined(self, bases: Array) -> tuple[Array, Array]:
        """Quantiles on the square-root scale (horizons, taus) and the weights used."""
        known = np.isfinite(bases)
        weights = self._combination.weights(known.astype(float))
        roots = self._calibration.quantiles(np.where(known, bases, 0.0))
        return (weights * roots).sum(axis=0), weights

    def _close(self, cell: int) -> None:
        """Judge the guesses whose horizon ends with this cell, and make the guess of this cell."""
        deepest = self._horizons[-1]
        window = self._grid.values(cell - deepest + 1, cell)[::-1]
        peaks = np.maximum.accumulate(window)[np.array(self._horizons) - 1]
        nothing = np.full((len(EXPERTS), len(self._horizons)), np.nan)
        bases = np.stack([self._made.get(cell - h, nothing)[:, i] for i, h in enumerate(self._horizons)], axis=1)
        self._learn(np.sqrt(peaks) - np.sqrt(bases))
        self._made[cell] = self._bases(cell, cell)[0]
        for old in [c for c in self._made if c <= cell - deepest]:
            del self._made[old]

    def _learn(self, errors: Array) -> None:
        self._combination.learn(self._calibration.learn(errors))

    def _replay(self, newest: int) -> None:
        """Calibrate on the loaded history: all but the last day at once, the last day step by step."""
        deepest = self._horizons[-1]
        first = newest - self._grid.size + 1 + LEVEL_CELLS
        bases = self._bases(first, newest)
        truth = self._grid.values(first + 1, newest + deepest)
        truth[newest - first - 1 :] = np.nan  # the newest cell is still open: it is judged when it closes
        peaks = np.maximum.accumulate(sliding_window_view(truth, deepest), axis=1)
        errors = np.sqrt(peaks[:, None, np.array(self._horizons) - 1]) - np.sqrt(bases)
        split = len(errors) - round(DAY_S / self._step_s)
        self._combination.start(*self._calibration.start(errors[:split]))
        for moment in errors[split:]:
            self._learn(moment)
        for cell in range(max(first, newest - deepest + 1), newest):
            self._made[cell] = bases[cell - first]

    def _model(self, weights: Array) -> str:
        share = weights.mean(axis=(1, 2))
        parts = [f"{e.name} {w:.2f}" for e, w in zip(EXPERTS, share, strict=True) if w > 0.005]
        return " + ".join(parts)
