"""What the next interval will bring, from one series: Dynamo's load predictors.

Each takes values one at a time with ``add`` and gives the next with ``predict``. Zeros before the first load are not
stored; what is not a finite number counts as 0 (D2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

MIN_POINTS = 5


class Predictor(Protocol):
    """One series and its next value."""

    def add(self, value: float) -> None:
        """One more observation."""
        ...

    def predict(self) -> float:
        """The next one, never negative, 0 without any."""
        ...


def cleaned(values: Sequence[float], window: int | None = None) -> list[float]:
    """What is stored of a series: without leading zeros, numbers only, at most the last ``window``."""
    numbers = [value if math.isfinite(value) else 0.0 for value in values]
    first = next((i for i, value in enumerate(numbers) if value != 0), len(numbers))
    kept = numbers[first:]
    return kept[-window:] if window is not None else kept


def last_or_none(values: Sequence[float], min_points: int = MIN_POINTS) -> float | None:
    """ARIMA's and Prophet's forecast where they fit nothing: the last of few or of equal values, else None."""
    if not values:
        return 0.0
    if len(values) < min_points or min(values) == max(values):
        return values[-1]
    return None


def next_offset_s(count: int, step_s: float) -> float:
    """When the forecast is for, seconds after the first of ``count`` values."""
    return count * step_s


@dataclass(slots=True)
class Constant:
    """The last value again."""

    last: float = 0.0
    stored: int = 0

    def add(self, value: float) -> None:
        """One more observation."""
        value = value if math.isfinite(value) else 0.0
        if value != 0 or self.stored:
            self.last = value
            self.stored += 1

    def predict(self) -> float:
        """The last value, 0 without any."""
        return self.last


@dataclass(slots=True)
class Kalman:
    """A local linear trend: state level and trend, variances ``q_level``, ``q_trend`` and ``r`` per interval (D2).

    Below ``min_points`` values it repeats the last. ``log1p`` filters the logarithm of one plus the value.
    """

    q_level: float = 1.0
    q_trend: float = 0.1
    r: float = 10.0
    min_points: int = MIN_POINTS
    log1p: bool = False
    stored: int = 0
    last: float = 0.0
    level: float = 0.0
    trend: float = 0.0
    covariance: tuple[float, float, float] = field(default=(1000.0, 0.0, 1000.0))

    def add(self, value: float) -> None:
        """One more observation: predict, then update."""
        value = value if math.isfinite(value) else 0.0
        if value == 0 and not self.stored:
            return
        self.stored += 1
        self.last = value
        seen = math.log1p(value) if self.log1p else value
        if self.stored == 1:
            self.level = seen
        else:
            self._step(seen)

    def _step(self, seen: float) -> None:
        level_var, cross, trend_var = self.covariance
        level_var, cross, trend_var = (
            level_var + 2 * cross + trend_var + self.q_level,
            cross + trend_var,
            trend_var + self.q_trend,
        )
        gain_level, gain_trend = level_var / (level_var + self.r), cross / (level_var + self.r)
        expected = self.level + self.trend
        self.level = expected + gain_level * (seen - expected)
        self.trend += gain_trend * (seen - expected)
        self.covariance = (
            level_var * (1 - gain_level),
            cross * (1 - gain_level),
            trend_var - gain_trend * cross,
        )

    def predict(self) -> float:
        """Level and trend one step on, at least 0."""
        if self.stored < self.min_points:
            return self.last
        ahead = max(0.0, self.level + self.trend)
        return math.expm1(ahead) if self.log1p else ahead


@dataclass(frozen=True, slots=True)
class Shape:
    """The three series of the throughput loop: requests per interval, mean input and mean output tokens."""

    requests: tuple[float, ...] = ()
    isl: tuple[float, ...] = ()
    osl: tuple[float, ...] = ()

    def add(self, requests: float, isl: float, osl: float) -> Shape:
        """With one more interval; an idle one repeats the last lengths, and none is stored before the first load."""
        if requests > 0:
            return Shape((*self.requests, requests), (*self.isl, isl), (*self.osl, osl))
        if not self.requests:
            return self
        return Shape((*self.requests, 0.0), (*self.isl, self.isl[-1]), (*self.osl, self.osl[-1]))


def sticky(last: float | None, seen: float | None) -> float | None:
    """A hit rate that survives intervals without one: what was seen if it is a number, else the last (D13)."""
    return seen if seen is not None and math.isfinite(seen) else last


def demand_rps(predicted_requests: float, interval_s: float) -> float:
    """Requests per second of a predicted interval."""
    return predicted_requests / interval_s
