"""Thresholds and panels that several dashboards have."""

from __future__ import annotations

from dashboards.board import Panel, Query, Threshold
from dashboards.settings import Settings

S = 'service=~"$service"'
ERLANGS = "suffix: erl"
GREEN, ORANGE, RED = "green", "orange", "red"
USD = "currencyUSD"


def attained(settings: Settings) -> tuple[Threshold, ...]:
    """Colours of a share of requests in time: green from the objective on, red from the slow burn on."""
    return ((None, RED), (round(1 - settings.slow_ratio, 6), ORANGE), (settings.objective, GREEN))


def missed(settings: Settings) -> tuple[Threshold, ...]:
    """Colours of a share of misses, at the thresholds of the burn alerts."""
    return ((None, GREEN), (settings.slow_ratio, ORANGE), (settings.fast_ratio, RED))


def more_is_bad(orange: float, red: float) -> tuple[Threshold, ...]:
    """Green, then orange, then red."""
    return ((None, GREEN), (orange, ORANGE), (red, RED))


def load_and_capacity(width: int = 12) -> Panel:
    """The picture of the control loop: what comes, what is forecast, what is carried."""
    quantile = 'leadtime_forecast_quantile{service=~"$service", horizon="300", quantile="%s"}'
    return Panel(
        "Load, forecast and capacity",
        "Offered load, the greatest load that is forecast within 5 minutes (median and 95 %), and what active"
        " replicas carry.",
        ERLANGS,
        (
            Query(f"max by (service) (leadtime_offered_load_erlangs{{{S}}})", "{{service}} load"),
            Query(f"max by (service) ({quantile % '0.5'})", "{{service}} forecast P50"),
            Query(f"max by (service) ({quantile % '0.95'})", "{{service}} forecast P95"),
            Query(f"max by (service) (leadtime_capacity_erlangs{{{S}}})", "{{service}} capacity"),
        ),
        width=width,
        page="service?service=${service}",
        least=0,
    )


def misses(settings: Settings, width: int = 12) -> Panel:
    """The error budget as it burns, in the windows of the alerts."""
    windows = ("5m", "1h", "6h")
    return Panel(
        "Requests that missed the promise",
        "Share of misses in three windows; the lines are where the slow and the fast burn alert stand.",
        "percentunit",
        tuple(Query(f"service:leadtime_missed:ratio_rate{w}{{{S}}}", f"{{{{service}}}} {w}") for w in windows),
        width=width,
        thresholds=missed(settings),
        least=0,
    )
