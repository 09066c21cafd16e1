"""The promise to users: error budgets that burn, and what is about to break them."""

from __future__ import annotations

from dashboards.alert import SERVICE, Alert, explain
from dashboards.settings import Settings

PAGE = f"service?service={SERVICE}"


def burn(long: str, short: str, ratio: float) -> str:
    """Both windows above: the long one for weight, the short one so that it ends soon after the trouble does."""
    misses = "service:leadtime_missed:ratio_rate"
    return f"{misses}{long} > {ratio:g} and on (service) {misses}{short} > {ratio:g}"


def alerts(settings: Settings) -> tuple[Alert, ...]:
    """Those that depend on the objective, and the others."""
    return (*burns(settings), *shortfalls())


def burns(settings: Settings) -> tuple[Alert, ...]:
    """The error budget goes faster than it may."""
    objective = f"{settings.objective:g}"
    return (
        Alert(
            "LeadtimeSloBurnFast",
            burn("1h", "5m", settings.fast_ratio),
            "2m",
            "critical",
            f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of requests missed their latency promise in the last"
            f" hour",
            f"At this pace a month's error budget (objective {objective}) is gone in two days.",
            f"Ask {explain()}: if a limit binds (max, budget, inventory), raise it; if nothing binds, hold more at"
            f" once with"
            f' `leadtime policy at-least {SERVICE} N --for 1h --reason "SLO burn"`; if the last policy did it,'
            f" `leadtime policy rollback`.",
            PAGE,
        ),
        Alert(
            "LeadtimeSloBurnSlow",
            burn("6h", "30m", settings.slow_ratio),
            "15m",
            "warning",
            f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of requests missed their latency promise in six hours",
            f"At this pace a month's error budget (objective {objective}) is gone in five days.",
            f"See which limit binds most often with {explain()} and on the decisions dashboard; raise"
            f" `risk.headroom`, or let"
            " `leadtime tune` find the knobs on this traffic.",
            PAGE,
        ),
    )


def shortfalls() -> tuple[Alert, ...]:
    """Capacity is short, or will be, and what of the forecast it rests on."""
    return (
        Alert(
            "LeadtimeShortfallRisk",
            "max by (service) (leadtime_shortfall_risk_ratio) > 0.2",
            "10m",
            "warning",
            f"{SERVICE}: capacity will be short with a probability of {{{{ $value | humanizePercentage }}}}",
            "New replicas would come later than the load that is forecast.",
            f"Bridge it with `leadtime policy at-least {SERVICE} N --for 1h --reason risk`; for good, hold"
            f" `standby.min` or shorten the launch.",
            f"forecasts?service={SERVICE}",
        ),
        *limits(),
        Alert(
            "LeadtimeStandbyExhausted",
            "service:leadtime_standby_replicas:sum == 0 and on (service)"
            " max_over_time(service:leadtime_standby_replicas:sum[1h]) > 0 and on (service)"
            " service:leadtime_missing_replicas:max > 0",
            "5m",
            "warning",
            f"{SERVICE}: all standby replicas are used up and more are wanted",
            "The next burst waits for a whole launch.",
            f"Check that launches arrive ({explain()}); raise `standby.min` with `leadtime policy apply` if this"
            f" comes back.",
            PAGE,
        ),
        Alert(
            "LeadtimeForecastOff",
            "avg_over_time(service:leadtime_forecast_p95_kept:bool5m[6h]) < 0.85"
            " and on (service) count_over_time(service:leadtime_forecast_p95_kept:bool5m[6h]) > 180",
            "30m",
            "warning",
            f"{SERVICE}: the load stayed below the 95 % forecast only {{{{ $value | humanizePercentage }}}} of the"
            f" time",
            "Forecasts are too low, so decisions that rest on them come late; the reactive floor still holds.",
            "Look at told against came on the console; if a known event is the reason, add it to the policy's"
            " `events`; compare with"
            " `leadtime forecast evaluate` on the recorded series.",
            f"forecasts?service={SERVICE}",
        ),
    )


def limits() -> tuple[Alert, ...]:
    """Somebody's limit keeps a service smaller than it needs to be."""
    said = {
        "Maximum": ("max", "replicas.max", "Raise `replicas.max`"),
        "Budget": ("budget", "budget_usd_per_hour", "Raise `budget_usd_per_hour`"),
        "Inventory": (
            "inventory",
            "GPUs, nodes or money that services share",
            "Raise the service's `priority` or the `market` limits",
        ),
    }
    return tuple(
        Alert(
            f"LeadtimeAt{name}",
            f'service:leadtime_bound:increase10m{{reason="{reason}"}} > 0',
            "15m",
            "warning",
            f"{SERVICE} is kept smaller than it needs to be by {what}",
            "Requests will queue when the load goes on growing.",
            f"{step} (`leadtime policy show {SERVICE}`, then `leadtime policy apply`), or accept it; {explain()}"
            f" says how many are lacking.",
            f"policies?service={SERVICE}",
        )
        for name, (reason, what, step) in said.items()
    )
