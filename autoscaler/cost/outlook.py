"""How many GPUs will be wanted in the coming months, when a quota runs out, and what to commit to.

From daily peaks (the highest hour's mean GPUs held) the trend is a line through their logarithms; a peak in h days is

    exp( line(h) ± z·√( s² + (h·e)² ) )

with s the spread of days about the line and e the slope's standard error, widened by √((1+φ)/(1−φ)) because days
resemble the day before (φ: correlation of neighbouring residuals). A trend from less than ``ENOUGH_DAYS`` is no trend:
then the level stands, and only days' spread makes the band. What to buy is the exact newsvendor on the load-duration
curve of ``autoscaler.planning.mix``, of recent hours scaled to the middle of the outlook.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from autoscaler.planning.mix import Mix, mix
from autoscaler.planning.prices import Offer

Floats = npt.NDArray[np.float64]

DAY_S = 86400
DAYS = 90
ENOUGH_DAYS = 14
BANDS: Mapping[str, float] = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
LEAST_GPUS = 0.5
"""Peaks below are taken as this: a logarithm needs more than nothing."""
MOST_GROWTH = math.log(2) / 7
"""A line steeper than doubling every week is the start of something, and nothing to go by for months."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A day to come: quantiles of the GPUs held in its highest hour."""

    day_s: int
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """GPUs of one type: past peak and mean, growth per 30 days as a share (None without a trend), the days to come.

    ``quota`` is how many there are, None where none is set; it is first passed at ``out_s`` in the middle and at
    ``early_s`` where one day in ten is that high; None where not within the outlook.
    """

    gpu: str
    peak_gpus: float
    peak_day_s: int
    mean_gpus: float
    growth_per_30_days: float | None
    days: tuple[Ahead, ...]
    quota: int | None
    out_s: int | None
    early_s: int | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """What to hold of one GPU type in the middle of the outlook, and whose prices that rests on."""

    gpu: str
    offer: Offer
    mix: Mix
    scaled_by: float


@dataclass(frozen=True, slots=True)
class Line:
    """log peak = ``level`` (of the last day) + ``slope`` per day, with spread ``s`` and the slope's error ``e``."""

    level: float
    slope: float
    spread: float
    error: float

    def quantile(self, days: float, tau: float) -> float:
        """Of the peak in so many days, GPUs."""
        z = NormalDist().inv_cdf(tau)
        return math.exp(self.level + self.slope * days + z * math.hypot(self.spread, self.error * days))


def line_through(peaks: Floats) -> Line:
    """Of daily peaks, (n,), oldest first, n of at least 1."""
    logs = np.log(np.maximum(peaks, LEAST_GPUS))
    n = len(logs)
    if n < ENOUGH_DAYS:
        return Line(float(logs[-7:].mean()), 0.0, float(logs.std(ddof=1)) if n > 1 else 0.0, 0.0)
    x = np.arange(n) - (n - 1)
    slope = float(np.polyfit(x, logs, 1)[0])
    slope = min(MOST_GROWTH, max(-MOST_GROWTH, slope))
    level = float(logs.mean() - slope * x.mean())
    rest = logs - level - slope * x
    spread = float(rest.std(ddof=2))
    scale = float(rest @ rest)
    alike = float(np.clip(rest[1:] @ rest[:-1] / scale, 0.0, 0.95)) if scale > 0 else 0.0
    error = spread / math.sqrt(float(((x - x.mean()) ** 2).sum())) * math.sqrt((1 + alike) / (1 - alike))
    return Line(level, slope, spread, error)


def outlook(gpu: str, hourly: Mapping[int, float], quota: int | None) -> Outlook | None:
    """From the GPUs held by the start of their hour; None where no whole day is known."""
    peaks = daily_peaks(hourly)
    if not peaks:
        return None
    line, last = line_through(np.array(list(peaks.values()))), max(peaks)
    days = tuple(
        Ahead(last + h * DAY_S, *(line.quantile(h, tau) for tau in BANDS.values())) for h in range(1, DAYS + 1)
    )
    top = max(peaks, key=lambda day: peaks[day])
    mean = math.fsum(hourly.values()) / len(hourly)
    growth = math.expm1(30 * line.slope) if len(peaks) >= ENOUGH_DAYS else None
    out, early = (_passed(days, name, quota) for name in ("p50", "p90"))
    return Outlook(gpu, peaks[top], top, mean, growth, days, quota, out, early)


def daily_peaks(hourly: Mapping[int, float]) -> dict[int, float]:
    """Highest hour of each day (UTC) of which 20 hours or more are known, oldest first."""
    days: dict[int, list[float]] = {}
    for hour, gpus in sorted(hourly.items()):
        days.setdefault(hour // DAY_S * DAY_S, []).append(gpus)
    return {day: max(values) for day, values in days.items() if len(values) >= 20}


def purchase(gpu: str, hourly: Mapping[int, float], offer: Offer, firm_share: float, ahead: Outlook) -> Purchase:
    """The cheapest mix for the hours that are known, scaled to the middle of the outlook.

    ``firm_share`` of what is held must not be taken away: what the load fills at saturation.
    """
    now = math.exp(line_through(np.array(list(daily_peaks(hourly).values()))).level)
    factor = ahead.days[len(ahead.days) // 2].p50 / now
    needed = np.ceil(np.array(list(hourly.values())) * factor - 1e-9).astype(np.int64)
    firm = np.ceil(needed * firm_share - 1e-9).astype(np.int64)
    return Purchase(gpu, offer, mix(needed, firm, np.full(len(needed), 1 / len(needed)), 1, offer), factor)


def _passed(days: tuple[Ahead, ...], band: str, quota: int | None) -> int | None:
    if quota is None:
        return None
    return next((day.day_s for day in days if getattr(day, band) > quota), None)
