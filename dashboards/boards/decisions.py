"""Decisions: what was wanted, what bound it, how the forecast did, who holds something by hand."""

from __future__ import annotations

from dashboards.board import SERVICES, Board, Panel, Query, Row
from dashboards.boards.shared import ERLANGS, S

MOVES = (
    "sum by (service, action) (max by (service, action, reason)"
    ' (increase(leadtime_decision_total{%s, action!="hold"}[$__interval])))'
)


def board() -> Board:
    """The dashboard."""
    rows = (
        Row("What was decided", decided()),
        Row("What it rested on", rested()),
        Row("Forecasts", forecasts()),
        Row("Policy and tuning", policy()),
    )
    text = (
        "Why the fleet has the size it has: wanted against there, the reason that bound, and how good the forecast was."
    )
    return Board("leadtime-decisions", "Leadtime / Decisions", text, rows, (SERVICES,), "service?service=${service}")


def decided() -> tuple[Panel, ...]:
    """Wanted against there, moves, reasons."""
    return (
        Panel(
            "Wanted and active",
            "Where they part for longer than a launch takes, capacity does not come.",
            "none",
            (
                Query(f"max by (service) (leadtime_desired_replicas{{{S}}})", "{{service}} wanted"),
                Query(f"service:leadtime_active_replicas:max{{{S}}}", "{{service}} active"),
            ),
            least=0,
            page="service?service=${service}",
        ),
        Panel(
            "Reasons that bound",
            "Decisions in 10 minutes by the voice or limit that fixed the number (docs/how-it-decides.md,"
            " docs/safety.md).",
            "none",
            (Query(f"sum by (reason) (service:leadtime_bound:increase10m{{{S}}})", "{{reason}}"),),
            stacked=True,
            least=0,
        ),
        Panel(
            "Moves",
            "Decisions to scale out and in, in each step of the picture.",
            "none",
            (Query(MOVES % S, "{{service}} {{action}}"),),
            least=0,
        ),
        Panel(
            "Turns",
            "Moves in either direction within half an hour; three of each is swinging.",
            "none",
            (Query(f"service:leadtime_moves:increase30m{{{S}}}", "{{service}} {{action}}"),),
            thresholds=((None, "green"), (2.5, "red")),
            least=0,
        ),
    )


def rested() -> tuple[Panel, ...]:
    """Tiers, risk and hands."""
    return (
        Panel(
            "Standby by tier",
            "Replicas that can serve in milliseconds (standby) or seconds (asleep).",
            "none",
            (Query(f"max by (service, tier) (leadtime_standby_replicas{{{S}}})", "{{service}} {{tier}}"),),
            width=8,
            least=0,
        ),
        Panel(
            "Held by hand",
            "Freezes, pins and floors that operators hold now.",
            "none",
            (Query(f"max by (service, kind) (leadtime_overrides{{{S}}}) > 0", "{{service}} {{kind}}"),),
            width=8,
            least=0,
            page="policies?service=${service}",
        ),
        Panel(
            "Sick replicas",
            "Replicas on a GPU that reports a fault: they count as no capacity.",
            "none",
            (Query(f"max by (service) (leadtime_sick_replicas{{{S}}})", "{{service}}"),),
            width=8,
            thresholds=((None, "green"), (1, "red")),
            least=0,
        ),
    )


def forecasts() -> tuple[Panel, ...]:
    """Fan, calibration, age."""
    fan = 'max by (service, quantile) (leadtime_forecast_quantile{service=~"$service", horizon="600"})'
    kept = "avg_over_time(service:leadtime_forecast_p95_kept:bool5m{%s}[6h])"
    return (
        Panel(
            "Forecast within 10 minutes",
            "Quantiles of the greatest load to come.",
            ERLANGS,
            (Query(fan, "{{service}} {{quantile}}"),),
            width=8,
            least=0,
            page="forecasts?service=${service}",
        ),
        Panel(
            "95 % forecast kept",
            "Share of the last 6 hours in which the load of 5 minutes stayed below the 95 % forecast made before;"
            " 0.95 is perfect.",
            "percentunit",
            (Query(kept % S, "{{service}}"),),
            width=8,
            thresholds=((None, "red"), (0.85, "orange"), (0.92, "green")),
            most=1,
        ),
        Panel(
            "Age of models",
            "Since experts were fitted last.",
            "s",
            (Query(f"min by (service) (leadtime_forecast_model_age_seconds{{{S}}})", "{{service}}"),),
            width=8,
            thresholds=((None, "green"), (172800, "orange")),
            least=0,
        ),
    )


def policy() -> tuple[Panel, ...]:
    """The knobs in effect and what hindsight says."""
    return (
        Panel(
            "Knobs in effect",
            "The operator's, with what was tuned laid over them.",
            "none",
            (Query(f"max by (service, knob) (leadtime_policy_knob{{{S}}})"),),
            "table",
            page="policies?service=${service}",
        ),
        Panel(
            "Regret of tuning",
            "What was held over the last day, misses priced in, over the best settings in hindsight, less one.",
            "percentunit",
            (Query(f"max by (service) (leadtime_tuning_regret_ratio{{{S}}})", "{{service}}"),),
            thresholds=((None, "green"), (0.25, "orange")),
        ),
    )
