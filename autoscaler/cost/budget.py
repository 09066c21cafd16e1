"""Budgets: what a month has cost so far, where it is heading, and whether somebody should be told.

The rest of the month is the mean of the last whole days times what is left. A sum of n days to come, whose mean is
known from m past ones of standard deviation s, has the standard deviation ``s·√(n + n²/m)`` (the mean method:
Hyndman and Athanasopoulos, Forecasting, 5.5), days taken as independent. Fewer than two whole days give no band.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from statistics import NormalDist, fmean, stdev

DAY_S = 86400
LOOK_BACK_DAYS = 14
BAND = 0.9
"""The forecast's band holds with this probability."""


class State(StrEnum):
    """How a budget stands, the mildest first."""

    UNKNOWN = "unknown"
    OK = "ok"
    HEADING_OVER = "heading over"
    NEARLY_SPENT = "nearly spent"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Budget:
    """USD per calendar month (UTC) of one service, or of the fleet where ``service`` is None; ``alert_at`` is the
    share of it at which it is called nearly spent.
    """

    name: str
    usd_per_month: float
    service: str | None = None
    alert_at: float = 0.8


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget now. ``forecast_usd`` is the whole month's, between ``low_usd`` and ``high_usd``; None until it can
    be told. ``over_at_s`` is when it will be spent at the mean of late, None where it will not within the month.
    """

    budget: Budget
    month_start_s: float
    month_end_s: float
    spent_usd: float
    forecast_usd: float | None
    low_usd: float | None
    high_usd: float | None
    over_at_s: float | None
    state: State

    @property
    def alert(self) -> bool:
        """Whether somebody should be told."""
        return self.state in (State.HEADING_OVER, State.NEARLY_SPENT, State.OVER)


def month(at_s: float) -> tuple[float, float]:
    """Start and end of the calendar month that holds a time, UTC seconds."""
    at = datetime.fromtimestamp(at_s, UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return start.timestamp(), end.timestamp()


def standing(budget: Budget, usd_by_hour: Mapping[int, float], now_s: float) -> Standing:
    """A budget at ``now_s``; costs by the start of their hours, of this month and of ``LOOK_BACK_DAYS`` before now."""
    start_s, end_s = month(now_s)
    spent = math.fsum(usd for hour, usd in usd_by_hour.items() if start_s <= hour < now_s)
    days = _whole_days(usd_by_hour, now_s)
    left = (end_s - now_s) / DAY_S
    if not days:
        return Standing(budget, start_s, end_s, spent, None, None, None, None, _state(budget, spent, None))
    mean = fmean(days)
    coming = spent + mean * left
    spread = _spread(days, left)
    over_in = (budget.usd_per_month - spent) / mean * DAY_S if mean > 0 else math.inf
    over_at = now_s + max(0.0, over_in) if over_in < end_s - now_s else None
    low, high = (None, None) if spread is None else (max(spent, coming - spread), coming + spread)
    return Standing(budget, start_s, end_s, spent, coming, low, high, over_at, _state(budget, spent, coming))


def _whole_days(usd_by_hour: Mapping[int, float], now_s: float) -> list[float]:
    """Costs of the last stretches of 24 hours before now of which every hour is known, newest first."""
    newest = int(now_s // 3600 * 3600)
    days = [
        [usd_by_hour.get(newest - 3600 * (24 * day + hour + 1)) for hour in range(24)] for day in range(LOOK_BACK_DAYS)
    ]
    return [math.fsum(known) for hours in days if len(known := [usd for usd in hours if usd is not None]) == 24]


def _spread(days: Sequence[float], left: float) -> float | None:
    if len(days) < 2:
        return None
    return NormalDist().inv_cdf((1 + BAND) / 2) * stdev(days) * math.sqrt(left + left**2 / len(days))


def _state(budget: Budget, spent: float, coming: float | None) -> State:
    if spent > budget.usd_per_month:
        return State.OVER
    if spent >= budget.alert_at * budget.usd_per_month:
        return State.NEARLY_SPENT
    if coming is None:
        return State.UNKNOWN
    return State.HEADING_OVER if coming > budget.usd_per_month else State.OK
