"""The forecaster of one service: takes samples of the offered load, gives quantiles of the maximum that may
come.

Samples go on a grid of one-minute cells (``grid``); a panel of experts (``panel``) says what it makes of them, and is
told what came. Horizons are rounded up to whole cells, so a horizon of 15 s is answered as 60 s: on the safe side.

``forecast`` gives None before the first sample and where the newest sample is older than an hour. Between the
two, the age of the data is added to every horizon: what is not known widens the band. What operators know
beforehand (``events``) is taken out of the samples and put on the forecast.

Experts that learn are fitted by ``refit``, which takes a second or two, or elsewhere: ``due`` says when, ``task`` gives
what to send, and ``adopt`` takes what comes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from forecasting.burst import surprise, widened
from forecasting.events import Event, factor_at, factor_within, factors_at, settling
from forecasting.experts import Expert
from forecasting.forecast import Forecast
from forecasting.grid import Grid
from forecasting.history import DAY_S, Array, History, Target
from forecasting.panel import Panel
from forecasting.store import Loaded, unpacked

HORIZONS_S = (15.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0)
TAUS = (0.5, 0.8, 0.9, 0.95, 0.99)
DAYS = 15
"""How far back is remembered: two weeks, so that a day has its fourteen, and the reach of the features."""

MAX_AGE_S = 3600.0

NEGLIGIBLE = 0.005
"""Share of an expert below which nobody need hear of it."""


class Forecaster:
    """Forecasts one service; not safe for use from several threads."""

    def __init__(
        self,
        service: str,
        horizons_s: tuple[float, ...] = HORIZONS_S,
        taus: tuple[float, ...] = TAUS,
        step_s: float = 60.0,
        experts: Sequence[Expert] | None = None,
    ) -> None:
        self.service = service
        self.horizons_s = horizons_s
        self.taus = taus
        self._step_s = step_s
        self._target = Target(tuple(sorted({max(1, math.ceil(h / step_s)) for h in horizons_s})), taus)
        self._grid = Grid(step_s, int(DAYS * DAY_S / step_s))
        self._experts = experts
        self.panel = Panel(self._target, step_s, experts)
        self._events: tuple[Event, ...] = ()
        self._before_event: Array | None = None

    def expect(self, events: Sequence[Event]) -> None:
        """Count with these events from now on; what is remembered stays as it was taken."""
        self._events = tuple(events)

    def update(self, at_s: float, erlangs: float | None) -> None:
        """Take the offered load seen at ``at_s``; None is a gap. Older than the newest sample: ignored.

        Raises ValueError for a load that is negative or not finite.
        """
        if erlangs is not None and not (math.isfinite(erlangs) and erlangs >= 0):
            raise ValueError(
                f"offered load of {self.service} is {erlangs}; give erlangs of at least 0, or None for a gap"
            )
        usual = None if erlangs is None else erlangs / factor_at(self._events, at_s)
        for cell in self._grid.put(at_s, usual):
            self.panel.close(self.history().until(cell), cell)

    def load(self, times: Array, values: Array, panel: Panel | None = None) -> None:
        """Replace the history: samples at UTC seconds (ascending) in erlangs, NaN for gaps, shapes (n,) and (n,).

        The past is replayed to calibrate; where a ``panel`` is given that lived through a part of it, only what it
        missed of the last day. Samples further apart than the grid's span leave gaps.
        """
        times, values = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        values = values / factors_at(self._events, times)
        self._grid = Grid.of(self._step_s, self._grid.size, times, values)
        self.panel = panel or Panel(self._target, self._step_s, self._experts)
        history = self.history().until((self._grid.newest or 0) - 1)
        if len(history.roots):
            self.panel.begin(history)

    def recall(self, kept: bytes) -> Loaded:
        """What ``store.packed`` made of an earlier panel, for ``load``; raises ValueError where it is damaged."""
        return unpacked(kept, self._target, self._step_s, self._experts)

    def history(self) -> History:
        """All that is remembered, its newest cell still open."""
        return self._grid.history()

    def due(self) -> bool:
        """Whether it is worth the time to fit."""
        return self.panel.due(self.history())

    def task(self) -> tuple[Panel, History]:
        """What to send to whoever fits: ``panel.refit(history)`` gives what ``adopt`` takes."""
        history = self.history()
        return self.panel, history.until(history.last - 1)

    def adopt(self, panel: Panel) -> None:
        """Use a panel that was fitted meanwhile; what was predicted since it was sent is still to be judged."""
        panel.made = self.panel.made
        self.panel = panel

    def refit(self, seed: int = 0) -> None:
        """Fit here and now."""
        panel, history = self.task()
        self.adopt(panel.refit(history, seed))

    def forecast(self, now_s: float) -> Forecast | None:
        """The forecast as of ``now_s``, or None where there is nothing to go by."""
        grid = self._grid
        if grid.newest is None or grid.last_at_s is None or grid.first_at_s is None:
            return None
        age_s = max(0.0, now_s - grid.last_at_s)
        if age_s > MAX_AGE_S:
            return None
        values, weights = self._values(grid.newest)
        wanted = np.array(self.horizons_s) + (age_s if age_s > self._step_s else 0.0)
        at = np.maximum(np.array(self._target.horizons) * self._step_s, 1.0)
        rows = np.stack([np.interp(wanted, at, values[:, t]) for t in range(len(self.taus))], axis=1)
        rows = self._with_events(rows, now_s)
        names = [expert.name for expert in self.panel.experts]
        shares = tuple(zip(names, map(float, weights.mean(axis=(1, 2))), strict=True))
        return Forecast(
            service=self.service,
            made_at_s=now_s,
            horizons_s=self.horizons_s,
            taus=self.taus,
            values=tuple(tuple(map(float, row)) for row in rows),
            model=" + ".join(f"{name} {share:.2f}" for name, share in shares if share > NEGLIGIBLE),
            history_s=now_s - grid.first_at_s,
            weights=shares,
        )

    def _values(self, cell: int) -> tuple[Array, Array]:
        """Quantiles as of a cell, erlangs, (horizons of the target, taus), and the experts' weights."""
        history, target = self.history(), self._target
        roots, weights = self.panel.together(self.panel.predict(history, cell, cell)[0])
        before = self.panel.made.get(cell - 1)
        if before is not None:
            surprised = surprise(self.panel.together(before)[0], float(history.roots[-1]), target)
            roots = widened(roots, surprised, target)
        values = np.maximum(roots, 0.0) ** 2
        return np.maximum.accumulate(np.maximum.accumulate(values, axis=0), axis=1), weights

    def _with_events(self, rows: Array, now_s: float) -> Array:
        """The usual load (horizons, taus) times what is expected; for a while not less than before an event began."""
        factors = [factor_within(self._events, now_s, now_s + horizon_s) for horizon_s in self.horizons_s]
        if not settling(self._events, now_s):
            self._before_event = rows
        elif self._before_event is not None:
            rows = np.maximum(rows, self._before_event)
        return np.maximum.accumulate(rows * np.array(factors)[:, None], axis=0)
