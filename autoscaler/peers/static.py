"""Fleets that never change: sized once, on the training span, for its peak or for its mean.

What an operator does without an autoscaler. The peak is what every saving is measured against; the mean is what it
costs to hope.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from autoscaler.peers.rule import FleetSignals, Terms

Erlangs = npt.NDArray[np.float64]

WHOLE = 1e-9
"""Rounding error of a division, which must not cost a replica."""


class Static:
    """A fixed number of replicas for ``erlangs``, within the terms' bounds; asked from the start, always the same."""

    interval_s = 15.0

    def __init__(self, terms: Terms, erlangs: float, rho_max: float, name: str) -> None:
        if not 0 < rho_max <= 1:
            raise ValueError(f"rho_max {rho_max} is not a utilisation; give a number above 0 and at most 1")
        wanted = math.ceil(erlangs / rho_max - WHOLE)
        self.name = name
        self.replicas = min(max(wanted, terms.min_replicas), terms.max_replicas)

    def desired(self, signals: FleetSignals) -> int:
        """The same as ever."""
        return self.replicas


class StaticPeak(Static):
    """Enough for a quantile of the training span's offered load, by default its peak."""

    KNOB: tuple[str, tuple[float, ...]] = ("quantile", (0.9, 0.95, 0.99, 0.999, 1.0))

    def __init__(self, terms: Terms, training: Erlangs, rho_max: float, quantile: float = 1.0) -> None:
        super().__init__(terms, float(np.quantile(_loads(training), quantile)), rho_max, "static-peak")


class StaticMean(Static):
    """Enough for the training span's mean offered load, times ``headroom``."""

    KNOB: tuple[str, tuple[float, ...]] = ("headroom", (1.0, 1.25, 1.5, 2.0, 3.0))

    def __init__(self, terms: Terms, training: Erlangs, rho_max: float, headroom: float = 1.0) -> None:
        super().__init__(terms, float(_loads(training).mean()) * headroom, rho_max, "static-mean")


def _loads(training: Erlangs) -> Erlangs:
    """Offered load per bin, erlangs; ValueError without any."""
    loads = np.asarray(training, dtype=np.float64)
    if loads.size == 0:
        raise ValueError("the training span is empty: give at least one bin of offered load, in erlangs")
    return loads
