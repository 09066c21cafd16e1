"""What others forecast: statsforecast, Prophet, and the predictors of NVIDIA Dynamo, at every minute of a series.

Each is fitted at the end of every day and brought up to every minute after it as cheaply as it allows:

- AutoETS, AutoARIMA (statsforecast): their ``forward``, parameters held for the day
- MSTL (statsforecast): its seasonal part is held for the day, its trend forecaster is brought up like AutoETS
- Prophet: has no update; the day is told from its beginning
- Dynamo's ARIMA (pmdarima): the order is searched once, as Dynamo does, with the retry on log(1 + x) where it
  degenerates to (0, d, 0); parameters are fitted daily, and the state is filtered up to every minute
- Dynamo's Kalman filter: runs through; its level and trend are extended to the horizon
- Dynamo's constant is the last value, which is in every table

They see gaps filled with the value before. All of them tell a path of the next minutes; for the maximum within a
window, the path's maximum is taken.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from autoscaler.peers.dynamo.predictors import Kalman

Floats = npt.NDArray[np.float64]

AHEAD = 60
TAIL = 1440
"""Minutes that are enough to bring a fitted model up to now."""

FITTED = 7 * 1440
"""Most minutes that a model is fitted to."""

LEVELS = (60, 80, 90, 98)
"""Two-sided intervals whose upper ends are the P80, P90, P95 and P99."""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Of n origins: ``middle`` (n, AHEAD), and ``upper`` (n, AHEAD, LEVELS) where a peer has intervals of its own."""

    middle: Floats
    upper: Floats | None = None


class Peer(Protocol):
    """One way to forecast. What it needs is imported when it is fitted."""

    name: str
    package: str | None

    def fit(self, values: Floats) -> None:
        """Learn from all values until the end of a day."""
        ...

    def paths(self, values: Floats, first: int) -> Paths:
        """As of each index from ``first`` on, knowing no value after it."""
        ...


@dataclass(slots=True)
class Statsforecast:
    """A model of statsforecast that can be brought forward."""

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    package: str | None = "statsforecast"
    model: Any = None

    def fit(self, values: Floats) -> None:
        """See Peer."""
        models = importlib.import_module("statsforecast.models")
        self.model = getattr(models, self.kind)(**self.options).fit(values[-FITTED:])

    def paths(self, values: Floats, first: int) -> Paths:
        """See Peer."""
        told = [
            self.model.forward(values[max(0, i + 1 - TAIL) : i + 1], AHEAD, level=list(LEVELS))
            for i in range(first, len(values))
        ]
        upper = [np.stack([np.asarray(one[f"hi-{level}"]) for level in LEVELS], axis=1) for one in told]
        return Paths(np.stack([one["mean"] for one in told]), np.stack(upper))


@dataclass(slots=True)
class Mstl:
    """Daily season and trend by repeated LOESS, with AutoETS for the trend."""

    name: str = "MSTL"
    package: str | None = "statsforecast"
    trend: Any = None
    season: Floats = field(default_factory=lambda: np.zeros(0))
    phase: int = 0

    def fit(self, values: Floats) -> None:
        """See Peer."""
        models = importlib.import_module("statsforecast.models")
        fitted = models.MSTL(TAIL).fit(values[-FITTED:])
        self.trend = fitted.trend_forecaster
        (season,) = (name for name in fitted.model_.columns if name.startswith("seasonal"))
        self.season = fitted.model_[season].to_numpy()[-TAIL:]
        self.phase = len(values) % TAIL

    def paths(self, values: Floats, first: int) -> Paths:
        """See Peer."""
        season = self.season[(np.arange(len(values) + AHEAD) - self.phase) % TAIL]
        rest = values - season[: len(values)]
        told = [
            self.trend.forward(rest[max(0, i + 1 - TAIL) : i + 1], AHEAD)["mean"] + season[i + 1 : i + 1 + AHEAD]
            for i in range(first, len(values))
        ]
        return Paths(np.stack(told))


@dataclass(slots=True)
class Prophet:
    """Trend and daily season, from the beginning of the day."""

    name: str = "Prophet"
    package: str | None = "prophet"
    model: Any = None
    length: int = 0

    def fit(self, values: Floats) -> None:
        """See Peer."""
        prophet = importlib.import_module("prophet")
        logging.disable(logging.WARNING)
        kept = values[-FITTED:]
        frame = pd.DataFrame({"ds": self._times(len(values) - len(kept), len(values)), "y": kept})
        options = {"daily_seasonality": True, "weekly_seasonality": False, "uncertainty_samples": 0}
        self.model = prophet.Prophet(**options).fit(frame)

    def paths(self, values: Floats, first: int) -> Paths:
        """See Peer."""
        frame = pd.DataFrame({"ds": self._times(first + 1, len(values) + AHEAD)})
        ahead = self.model.predict(frame)["yhat"].to_numpy()
        return Paths(np.lib.stride_tricks.sliding_window_view(ahead, AHEAD)[: len(values) - first])

    @staticmethod
    def _times(first: int, last: int) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(first, last), unit="min"))


@dataclass(slots=True)
class DynamoArima:
    """Dynamo's default: automatic ARIMA."""

    name: str = "Dynamo ARIMA"
    package: str | None = "pmdarima"
    log1p: bool = False
    model: Any = None

    def fit(self, values: Floats) -> None:
        """See Peer."""
        kept = values[-TAIL:]
        if self.model is None:
            self.model = self._searched(kept)
            if self.model.order[0] == self.model.order[2] == 0:
                self.log1p, self.model = True, self._searched(np.log1p(kept))
        else:
            self.model = self.model.fit(self._scaled(kept))

    def paths(self, values: Floats, first: int) -> Paths:
        """See Peer. One pass of the filter gives the state at every origin, whose expectation is carried forward."""
        begin = max(0, first + 1 - TAIL)
        filtered = self.model.arima_res_.apply(self._scaled(values[begin:])).filter_results
        state = filtered.predicted_state[:, first + 1 - begin :]
        told = []
        for _ in range(AHEAD):
            told.append(filtered.design[0, :, -1] @ state + filtered.obs_intercept[0, -1])
            state = filtered.transition[:, :, -1] @ state + filtered.state_intercept[:, -1:]
        ahead = np.stack(told, axis=1)
        return Paths(np.expm1(ahead) if self.log1p else ahead)

    def _scaled(self, values: Floats) -> Floats:
        return np.log1p(values) if self.log1p else values

    @staticmethod
    def _searched(values: Floats) -> Any:
        pmdarima = importlib.import_module("pmdarima")
        return pmdarima.auto_arima(values, suppress_warnings=True, error_action="ignore")


@dataclass(slots=True)
class DynamoKalman:
    """Dynamo's Kalman filter with its defaults."""

    name: str = "Dynamo Kalman"
    package: str | None = None

    def fit(self, values: Floats) -> None:
        """See Peer: nothing to fit."""

    def paths(self, values: Floats, first: int) -> Paths:
        """See Peer."""
        filtered, told, steps = Kalman(), [], np.arange(1, AHEAD + 1)
        for i in range(max(0, first + 1 - TAIL), len(values)):
            filtered.add(float(values[i]))
            if i >= first:
                told.append(np.maximum(0.0, filtered.level + filtered.trend * steps))
        return Paths(np.stack(told))


def line_up() -> list[Peer]:
    """All of them, fresh."""
    return [
        Statsforecast("AutoETS", "AutoETS", {"model": "ZZN"}),
        Statsforecast("AutoARIMA", "AutoARIMA"),
        Mstl(),
        Prophet(),
        DynamoArima(),
        DynamoKalman(),
    ]


def missing(peer: Peer) -> str | None:
    """Why a peer cannot be asked, in a line; None where it can."""
    if peer.package is None:
        return None
    try:
        importlib.import_module(peer.package)
    except ImportError as error:
        return f"{peer.name}: skipped, {peer.package} does not import ({error}); pip install 'leadtime[bench]'"
    return None


def rolled(peer: Peer, values: Floats, ends: Sequence[int], told_s: dict[str, float], clock: Any) -> Paths:
    """Paths as of every index from ``ends[0]`` on; fitted to what comes before each of ``ends``. Fills ``told_s``."""
    warnings.filterwarnings("ignore")
    parts = []
    for end, following in zip(ends, [*ends[1:], len(values)], strict=True):
        begun = clock()
        peer.fit(values[:end])
        fitted = clock()
        parts.append(peer.paths(values[:following], end))
        told_s["fit"] = told_s.get("fit", 0.0) + (fitted - begun) / len(ends)
        told_s["predict"] = told_s.get("predict", 0.0) + (clock() - fitted) / (len(values) - ends[0])
    uppers = [part.upper for part in parts if part.upper is not None]
    return Paths(np.concatenate([part.middle for part in parts]), np.concatenate(uppers) if uppers else None)


def filled(values: Floats) -> Floats:
    """Every gap as the value before it; the first ones as the first value known."""
    known = np.isfinite(values)
    at = np.maximum.accumulate(np.where(known, np.arange(len(values)), int(np.argmax(known))))
    return np.asarray(values[at], dtype=np.float64)
