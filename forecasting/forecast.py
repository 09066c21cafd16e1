"""A forecast: quantiles of the *maximum* offered load that may occur within each horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Forecast:
    """``values[h][q]`` is the ``taus[q]`` quantile, in erlangs, of the maximum offered load within
    ``horizons_s[h]`` of ``made_at_s``.

    Invariants: non-negative, non-decreasing along both axes.
    """

    service: str
    made_at_s: float
    horizons_s: tuple[float, ...]
    taus: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    model: str
    history_s: float
    weights: tuple[tuple[str, float], ...] = ()
    """Experts and their shares of what was told, averaged over horizons and quantiles; they add up to 1."""

    def quantile(self, horizon_s: float, tau: float) -> float:
        """Erlangs, interpolated linearly between horizons and quantiles and held at the ends."""
        rows = [float(np.interp(tau, self.taus, row)) for row in self.values]
        return float(np.interp(horizon_s, self.horizons_s, rows))
