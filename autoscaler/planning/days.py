"""The coming week of a series: how high its highest hour will be each day, and the replicas that takes.

The forecast is ``forecasting.planning``'s (usual hours at today's level, with the spread of its own past errors); this
turns its erlangs into replicas of one pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from autoscaler.capacity import replicas_for
from autoscaler.planning.carry import Asked, Carried
from autoscaler.planning.traffic import MINUTE_S, known_minutes, of_series
from forecasting.history import History
from forecasting.planning import DAY, outlook
from forecasting.series import Series

QUANTILES: Mapping[str, float] = {"P50": 0.5, "P90": 0.9, "P99": 0.99}
DAYS = 7
WALL_TIME_FROM_S = 1e9
"""Minutes that reach this many seconds (September 2001) are UTC; smaller ones count from anywhere."""


@dataclass(frozen=True, slots=True)
class Day:
    """24 hours ahead: its date where minutes are UTC, and by quantile the peak of its highest hour."""

    ahead: int
    date: str | None
    erlangs: Mapping[str, float]
    replicas: Mapping[str, int]


def week(series: Series, carried: Carried, asked: Asked, length_cv: float) -> tuple[Day, ...]:
    """The seven days after the last whole hour; none where not even a day of the series is known."""
    load = np.full(len(series.requests), np.nan)
    step = carried.candidate.pool.step
    load[known_minutes(series)] = of_series(series, length_cv).erlangs(step, asked.cached) * asked.headroom
    seen = outlook(History(MINUTE_S, series.first, np.sqrt(load)), tuple(QUANTILES.values()), DAYS)
    if seen is None:
        return ()
    highest = seen.values.reshape(DAYS, DAY, len(QUANTILES)).max(axis=1)
    return tuple(
        _day(i, seen.start_s, dict(zip(QUANTILES, row, strict=True)), carried, asked) for i, row in enumerate(highest)
    )


def _day(index: int, start_s: float, erlangs: Mapping[str, float], carried: Carried, asked: Asked) -> Day:
    at_s = start_s + index * DAY * 3600
    date = datetime.fromtimestamp(at_s, UTC).date().isoformat() if start_s >= WALL_TIME_FROM_S else None
    needed = {name: max(asked.fewest, replicas_for(float(load), carried.rho)) for name, load in erlangs.items()}
    return Day(index + 1, date, {name: float(load) for name, load in erlangs.items()}, needed)
