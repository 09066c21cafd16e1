"""Past and present forecasts of the made-up fleet: drawn around its curves, scored by the real hindsight."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from app.api.forecasts import accuracy_view
from app.api.schemas.forecasts import ForecastAccuracy, ForecastView
from autoscaler.hindsight import hindsight
from forecasting.forecast import Forecast
from tests.app.console import fake_fleet
from tests.app.console.fake_fleet import FakeService

HORIZONS_S = (15.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0)
TAUS = (0.5, 0.8, 0.9, 0.95, 0.99)
Z = (0.0, 0.84, 1.28, 1.64, 2.33)
LEAD_S = 180.0
SAMPLE_S = 300.0


def peak(service: FakeService, at_s: float, horizon_s: float) -> float:
    """The greatest load of the curve without its noise, looked at a dozen times."""
    times = (at_s + horizon_s * i / 12 for i in range(13))
    wave = (math.sin(2 * math.pi * t / service.period_s + service.phase) for t in times)
    return service.mean_erlangs * (1 + 0.6 * max(wave))


@cache
def forecast(service: FakeService, at_s: float) -> Forecast:
    """A forecast: the peak to come, one part in twenty off."""
    off = 1.01 + 0.05 * fake_fleet.noise(service, at_s, "forecast")
    peaks = [(h, off * peak(service, at_s, h)) for h in HORIZONS_S]
    rows = tuple(tuple(p * (1 + 0.055 * z * (1 + h / 3600)) for z in Z) for h, p in peaks)
    share = 0.5 + 0.4 * math.sin(at_s / 9000)
    weights = (("last_value", 1 - share), ("seasonal_profile", 0.6 * share), ("boosted", 0.4 * share))
    return Forecast(service.name, at_s, HORIZONS_S, TAUS, np.maximum.accumulate(rows).tolist(), "fake", 9e5, weights)


def latest(service: FakeService, at_s: float) -> ForecastView:
    """The newest forecast."""
    made = forecast(service, at_s)
    return ForecastView(
        service=service.name,
        made_at_s=at_s,
        model="last_value 0.30 + boosted 0.70",
        horizons_s=list(HORIZONS_S),
        taus=list(TAUS),
        erlangs=[list(row) for row in made.values],
        weights=dict(made.weights),
        history_s=made.history_s,
        fitted_at_s=at_s - 4500,
        trouble="took longer than 120 s; forecasts go on with the last good model"
        if service.name == "code-34b"
        else None,
    )


def accuracy(service: FakeService, now_s: float, span_s: float, horizon_s: float | None) -> ForecastAccuracy:
    """How the past ones fared."""
    start_s = now_s - span_s
    made = [math.ceil(start_s / SAMPLE_S) * SAMPLE_S + i * SAMPLE_S for i in range(int(span_s // SAMPLE_S))]
    times = np.arange(start_s - 60, now_s, 60.0)
    loads = [math.nan if fake_fleet.in_gap(service, t) else fake_fleet.offered(service, t) for t in times.tolist()]
    told = [forecast(service, at_s) for at_s in made]
    found = hindsight(told, times, np.array(loads), LEAD_S if horizon_s is None else horizon_s)
    return accuracy_view(found, service.name, start_s, now_s, LEAD_S)
