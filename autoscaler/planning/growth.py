"""How the traffic may grow over a year, as three named bands, and what that makes the replicas cost.

    factor after t years at z standard deviations = exp( g·t + z·√( s²·t² + w²·t ) )

``g`` is the growth per year on the log scale, ``s`` how unsure that rate is, ``w`` how far the level wanders by itself.
Somebody states the rate and its uncertainty, or both are estimated from the weekly means of a long series as a random
walk with drift, whose interval after h of n weeks is σ·√(h·(1 + h/n)) (Hyndman and Athanasopoulos, Forecasting, 5.5).

What is reserved is committed for the whole year, so it is chosen once, on the load of all months in all bands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from autoscaler.planning.carry import Asked, Carried, replicas
from autoscaler.planning.curve import Array, Curve, joined
from autoscaler.planning.mix import Mix, mix
from forecasting.series import Series

BANDS: Mapping[str, tuple[float, float]] = {"P10": (0.1, 0.3), "P50": (0.5, 0.4), "P90": (0.9, 0.3)}
"""Quantile and weight of each band: Swanson's rule, which keeps the mean and variance of what lies between."""

MONTHS, HOURS_PER_YEAR = 12, 8760.0
WEEK, WEEKS_PER_YEAR = 7 * 1440, 365.25 / 7
ENOUGH_WEEKS = 8


@dataclass(frozen=True, slots=True)
class Growth:
    """On the log scale: ``rate`` per year, its standard deviation, and that of a year's wandering."""

    rate: float
    rate_sd: float
    walk_sd: float
    source: str

    def factor(self, years: float, quantile: float) -> float:
        """Of the load after so many years."""
        spread = math.sqrt((self.rate_sd * years) ** 2 + self.walk_sd**2 * years)
        return math.exp(self.rate * years + NormalDist().inv_cdf(quantile) * spread)


def stated(per_year: float, sd: float) -> Growth:
    """Of a stated growth, 0.5 for half as much again in a year, and its standard deviation in the same unit."""
    rate = math.log1p(per_year)
    return Growth(rate, sd / (1 + per_year), 0.0, f"stated: {per_year:+.0%} a year, standard deviation {sd:.0%}")


def estimated(series: Series) -> Growth | None:
    """From the weekly means of a series; None where fewer than ``ENOUGH_WEEKS`` weeks are known."""
    logs = _weekly_logs(series)
    if len(logs) < ENOUGH_WEEKS:
        return None
    steps = np.diff(logs)
    weekly_sd = float(steps.std(ddof=1))
    rate, walk_sd = float(steps.mean()) * WEEKS_PER_YEAR, weekly_sd * math.sqrt(WEEKS_PER_YEAR)
    return Growth(rate, walk_sd * math.sqrt(WEEKS_PER_YEAR / len(steps)), walk_sd, f"estimated from {len(logs)} weeks")


def _weekly_logs(series: Series) -> Array:
    """Logarithms of the mean requests per minute of whole weeks, until one that is half unknown."""
    weeks = series.requests[: len(series.requests) // WEEK * WEEK].reshape(-1, WEEK)
    known = np.isfinite(weeks)
    usable = (known.mean(axis=1) >= 0.5) & (np.nansum(weeks, axis=1) > 0)
    end = int(np.argmin(usable)) if not usable.all() else len(weeks)
    return np.asarray(np.log(np.nansum(weeks[:end], axis=1) / np.maximum(known[:end].sum(axis=1), 1)))


@dataclass(frozen=True, slots=True)
class Cell:
    """One month in one band: requests per second, replicas on average and at the peak, USD in the month."""

    rps: float
    mean_replicas: float
    peak_replicas: int
    usd: float
    all_on_demand_usd: float


@dataclass(frozen=True, slots=True)
class Year:
    """Twelve months by band, and how the year is paid for: ``mix`` is the mean over months and bands."""

    growth: Growth
    months: tuple[Mapping[str, Cell], ...]
    mix: Mix

    def total_usd(self, band: str) -> float:
        """Of the year, in a band."""
        return sum(month[band].usd for month in self.months)


def year(carried: Carried, asked: Asked, mean_rps: float, growth: Growth) -> Year:
    """Each month at the load of its middle."""
    factors = [
        {band: growth.factor((m + 0.5) / MONTHS, quantile) for band, (quantile, _) in BANDS.items()}
        for m in range(MONTHS)
    ]
    curves = [carried.load.scaled(month[band]) for month in factors for band in BANDS]
    weights = [weight / MONTHS for _ in factors for _, weight in BANDS.values()]
    whole = _paid(joined(curves, weights), carried, asked, None)
    months = tuple(
        {band: _cell(carried, asked, mean_rps, factor, whole.reserved) for band, factor in month.items()}
        for month in factors
    )
    return Year(growth, months, whole)


def _cell(carried: Carried, asked: Asked, mean_rps: float, factor: float, reserved: int) -> Cell:
    load = carried.load.scaled(factor)
    needed, _ = replicas(load, carried.rho, asked)
    paid = _paid(load, carried, asked, reserved)
    hours = HOURS_PER_YEAR / MONTHS
    return Cell(
        mean_rps * factor,
        float(needed @ load.share),
        int(needed.max()),
        hours * paid.usd_per_hour,
        hours * paid.all_on_demand_usd,
    )


def _paid(load: Curve, carried: Carried, asked: Asked, reserved: int | None) -> Mix:
    needed, firm = replicas(load, carried.rho, asked)
    candidate = carried.candidate
    return mix(needed, firm, load.share, candidate.way.split.gpus, candidate.offer, reserved)
