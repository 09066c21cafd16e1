"""Days ahead: what capacity plans and reports need, where the control loop needs minutes.

The peak of each coming hour is its usual peak at today's level: usual is the median of the same hour of the day over
the past days, and, from two weeks of history on, of the same hour of the week; the level is that of the last day
against the usual of its hours, which fades as the days go by (``FADING_DAYS``). How wrong that is gets measured on the
history itself: every past midnight is an origin, and the errors of all of them, by days ahead, are the band. All on
the square-root scale; gaps take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecasting.history import Array, History

Hours = NDArray[np.int64]

HOUR_S = 3600.0
DAY, WEEK = 24, 7 * 24

FADING_DAYS = 1.0
"""Days after which today's level counts for a third as much (1/e)."""

LEVEL_RANGE = (0.5, 2.0)

PRIOR_SPREAD = 0.2
"""Standard deviation of the error, as a share of the root, where fewer than ``ENOUGH`` errors are known."""

ENOUGH = 48


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """``values`` (hours, taus): quantiles of the peak within each hour from ``start_s`` on, in the series' unit."""

    start_s: float
    taus: tuple[float, ...]
    values: Array


def outlook(history: History, taus: tuple[float, ...], days: int = 14) -> Outlook | None:
    """The coming ``days`` from the hour after the last whole one; None where not even a day is known."""
    first, roots = hourly(history)
    if np.isfinite(roots).sum() < DAY:
        return None
    middle = _ahead(roots, first, days * DAY)
    scale = float(np.nanmedian(roots))
    band = _band(roots, first, days, taus, scale)
    values = np.maximum(middle[:, None] + np.repeat(band, DAY, axis=0), 0.0) ** 2
    return Outlook((first + len(roots)) * HOUR_S, taus, np.maximum.accumulate(values, axis=1))


def hourly(history: History) -> tuple[int, Array]:
    """First hour (since 1970, UTC) and the peak root of each whole hour; NaN where less than half of it is known."""
    cells = round(HOUR_S / history.step_s)
    begin, end = -(-history.first // cells), (history.last + 1) // cells
    if end <= begin:
        return begin, np.zeros(0)
    rows = history.at(begin * cells, end * cells - 1).reshape(-1, cells)
    known = np.isfinite(rows)
    peaks = np.where(known, rows, -np.inf).max(axis=1)
    return begin, np.where(known.mean(axis=1) >= 0.5, peaks, np.nan)


def _ahead(roots: Array, first: int, hours: int) -> Array:
    """The middle of the next hours: usual times level."""
    end = first + len(roots)
    coming = np.arange(end, end + hours, dtype=np.int64)
    usual = _usual(roots, first, coming)
    past = np.arange(max(first, end - DAY), end, dtype=np.int64)
    before = (
        _usual(roots[: len(roots) - len(past)], first, past) if len(roots) >= 2 * DAY else np.full(len(past), np.nan)
    )
    both = np.isfinite(before) & np.isfinite(roots[-len(past) :])
    level = 1.0
    if both.sum() >= DAY // 4:
        level = float(np.clip(roots[-len(past) :][both].sum() / max(before[both].sum(), 1e-12), *LEVEL_RANGE))
    fading = np.exp(-np.arange(hours) / (FADING_DAYS * DAY))
    return np.asarray(usual * (1 + (level - 1) * fading))


def _usual(roots: Array, first: int, hours: Hours) -> Array:
    """Median of the same hours of the day, and, over two weeks, the mean of that and of the hour of the week."""
    by_day = _same(roots, first, hours, DAY)
    if len(roots) < 2 * WEEK:
        return by_day
    by_week = _same(roots, first, hours, WEEK)
    return np.where(np.isfinite(by_week), (by_day + by_week) / 2, by_day)


def _same(roots: Array, first: int, hours: Hours, period: int) -> Array:
    """Median of the known hours at the same place in the period; where none is, of all."""
    place = (first + np.arange(len(roots))) % period
    known = np.isfinite(roots)
    if not known.any():
        return np.full(len(hours), np.nan)
    overall = float(np.median(roots[known]))
    medians = np.array([np.median(x) if len(x := roots[known & (place == p)]) else overall for p in range(period)])
    return np.asarray(medians[hours % period])


def _band(roots: Array, first: int, days: int, taus: tuple[float, ...], scale: float) -> Array:
    """Quantiles of the error by days ahead, (days, taus); beyond what the history can tell, that of the last it can.

    Too few errors are filled up by a normal error of ``PRIOR_SPREAD``, as if that many had been seen.
    """
    errors: list[list[Array]] = [[] for _ in range(days)]
    for origin in range(2 * DAY, len(roots) - DAY + 1, DAY):
        span = min(days * DAY, (len(roots) - origin) // DAY * DAY)
        wrong = roots[origin : origin + span] - _ahead(roots[:origin], first, span)
        for day, part in enumerate(wrong.reshape(-1, DAY)):
            errors[day].append(part)
    band = np.empty((days, len(taus)))
    seen = np.zeros(0)
    for day in range(days):
        known = np.concatenate(errors[day]) if errors[day] else np.zeros(0)
        known = known[np.isfinite(known)]
        seen = known if len(known) >= len(seen) / 4 or not len(seen) else seen
        missing = max(0, ENOUGH - len(seen))
        prior = [scale * PRIOR_SPREAD * NormalDist().inv_cdf((i + 0.5) / missing) for i in range(missing)]
        band[day] = np.quantile(np.concatenate([seen, prior]), taus)
    upper = np.array(taus) > 0.5
    band[:, upper] = np.maximum.accumulate(band[:, upper], axis=0)
    return band
