"""Reads: what is expected of a service, and how what was expected fared."""

from __future__ import annotations

import asyncio
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query

from app.api.backend import Back, Backend, Known
from app.api.errors import problems
from app.api.schemas.forecasts import DaysAhead, ForecastAccuracy, ForecastOutcome, ForecastView, QuantileScore
from app.daemon.memory import ServiceMemory
from autoscaler.hindsight import Hindsight, Outcome, hindsight, sample
from autoscaler.sizing import launch_lead_s
from autoscaler.store.codec import decode, encode
from forecasting.forecast import Forecast
from forecasting.forecaster import TAUS
from forecasting.grid import Grid
from forecasting.planning import HOUR_S, Outlook, outlook

router = APIRouter(tags=["forecasts"])

MOST = 300
"""Past forecasts read for one answer."""

PLANNED_FROM_S = 28 * 86400.0
"""How far back a plan looks: four weeks, so that each hour of the week has been four times."""

BEFORE_S = 300.0
"""Load read from before the span: the first forecast's reference is the minute before it, and ticks may be slow."""

Span = Annotated[
    float, Query(ge=60, le=7 * 86400, allow_inf_nan=False, description="How far back, seconds; a day if absent.")
]
Days = Annotated[int, Query(ge=1, le=28, description="How many days ahead.")]
Horizon = Annotated[
    float | None,
    Query(
        ge=0,
        allow_inf_nan=False,
        description="Seconds ahead, rounded to a horizon that is forecast; the launch lead time if absent.",
    ),
]


@router.get("/services/{service}/forecast", responses=problems(404))
async def latest(service: str, known: Known) -> ForecastView:
    """The latest forecast; 404 before the first."""
    if known.forecast is None:
        raise HTTPException(404, f"{service} has no forecast yet; wait for the next tick")
    return forecast_view(known.forecast, known)


@router.get("/services/{service}/forecast/accuracy", responses=problems(404, 422))
async def accuracy(
    service: str, back: Back, known: Known, span_s: Span = 86400.0, horizon_s: Horizon = None
) -> ForecastAccuracy:
    """How past forecasts fared against what came; see ``autoscaler.hindsight`` for truth, gaps and reference."""
    end_s = back.now_s()
    lead_s = launch_lead_s(known.control)
    wanted_s = lead_s if horizon_s is None else horizon_s
    found = await asyncio.to_thread(look_back, back, service, end_s - span_s, end_s, wanted_s)
    return accuracy_view(found, service, end_s - span_s, end_s, lead_s)


@router.get("/services/{service}/forecast/days", responses=problems(404, 422))
async def days_ahead(service: str, back: Back, known: Known, days: Days = 14) -> DaysAhead:
    """The peak of every hour of the coming days; 404 where less than a day is known."""
    ahead = await asyncio.to_thread(look_ahead, back, service, back.now_s(), days)
    if ahead is None:
        raise HTTPException(404, f"{service} has less than a day of history; ask again when it has one")
    return DaysAhead(
        service=service,
        start_s=ahead.start_s,
        step_s=HOUR_S,
        taus=list(ahead.taus),
        erlangs=[list(map(float, row)) for row in ahead.values],
    )


def look_ahead(back: Backend, service: str, now_s: float, days: int) -> Outlook | None:
    """Read the load of the last weeks, and plan on it; runs in a thread of its own."""
    at, erlangs = back.history.load(service, "offered_erlangs", now_s - PLANNED_FROM_S)
    past = at <= now_s
    grid = Grid.of(60.0, int(PLANNED_FROM_S / 60), at[past], np.asarray(erlangs[past]))
    return outlook(grid.history(), TAUS, days)


def look_back(back: Backend, service: str, start_s: float, end_s: float, horizon_s: float) -> Hindsight:
    """Read a sample of the decisions and the load, and compare; runs in a thread of its own."""
    times = sample(back.ledger.times(service, start_s, end_s), MOST)
    told = [inputs["forecast"] for inputs in back.ledger.inputs_at(service, times)]
    forecasts = [decode(Forecast, forecast) for forecast in told if forecast is not None]
    at, erlangs = back.history.load(service, "offered_erlangs", start_s - BEFORE_S)
    past = at <= end_s
    return hindsight(forecasts, at[past], np.asarray(erlangs[past]), horizon_s)


def forecast_view(forecast: Forecast, known: ServiceMemory) -> ForecastView:
    """A forecast as it was made, with the state of its model."""
    return ForecastView(
        service=forecast.service,
        made_at_s=forecast.made_at_s,
        model=forecast.model,
        horizons_s=list(forecast.horizons_s),
        taus=list(forecast.taus),
        erlangs=[list(row) for row in forecast.values],
        weights=dict(forecast.weights),
        history_s=forecast.history_s,
        fitted_at_s=known.fitted_at_s,
        trouble=known.fit_trouble,
    )


def accuracy_view(found: Hindsight, service: str, start_s: float, end_s: float, lead_s: float) -> ForecastAccuracy:
    """Hindsight as the API tells it; experts in the order in which they first had a say."""
    experts = list(dict.fromkeys(name for outcome in found.outcomes for name, _ in outcome.weights))
    return ForecastAccuracy(
        service=service,
        start_s=start_s,
        end_s=end_s,
        lead_s=lead_s,
        horizon_s=found.horizon_s,
        taus=list(found.taus),
        experts=experts,
        scores=[QuantileScore(**encode(score)) for score in found.scores],
        loss_vs_last_value=found.loss_vs_last_value,
        outcomes=[outcome_view(outcome, experts) for outcome in found.outcomes],
    )


def outcome_view(outcome: Outcome, experts: list[str]) -> ForecastOutcome:
    """One past forecast; who had no say yet had a share of zero."""
    shares = dict(outcome.weights)
    return ForecastOutcome(
        made_at_s=outcome.made_at_s,
        until_s=outcome.until_s,
        told=list(outcome.told),
        truth=outcome.truth,
        state=outcome.state.value,
        weights=[shares.get(name, 0.0) for name in experts],
    )
