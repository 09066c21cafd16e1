"""The fleet in five seconds: is the promise kept, what does it cost, what needs a person."""

from __future__ import annotations

from dashboards.board import SERVICES, Board, Panel, Query, Row
from dashboards.boards.shared import ERLANGS, USD, S, attained, load_and_capacity, misses, more_is_bad
from dashboards.settings import Settings


def board(settings: Settings) -> Board:
    """The dashboard."""
    rows = (
        Row("Now", tiles(settings)),
        Row("Promise and load", (misses(settings), load_and_capacity())),
        Row("Services", (table(), *replicas())),
        Row("The loop", loop()),
    )
    text = "Every service of the fleet: promise, capacity, money, and the control loop itself."
    return Board("leadtime-fleet", "Leadtime / Fleet", text, rows, (SERVICES,))


def tile(
    title: str, text: str, unit: str, expr: str, *, thresholds: tuple[tuple[float | None, str], ...] = ()
) -> Panel:
    """One number with its recent past."""
    return Panel(title, text, unit, (Query(expr),), "stat", 4, 4, thresholds)


def tiles(settings: Settings) -> tuple[Panel, ...]:
    """Six numbers; the worst service speaks where a mean would hide it."""
    return (
        tile(
            "Attainment, worst service",
            "Share of requests in time in the last 5 minutes, of the service that is worst.",
            "percentunit",
            f"1 - max(service:leadtime_missed:ratio_rate5m{{{S}}})",
            thresholds=attained(settings),
        ),
        tile(
            "Cost per hour",
            "Price of all replicas now.",
            USD,
            f"sum(max by (service) (leadtime_cost_dollars_per_hour{{{S}}}))",
        ),
        tile(
            "GPUs idle",
            "Share of the GPUs that do nothing, held by a replica or not.",
            "percentunit",
            'sum(max by (state) (leadtime_gpus{state=~"idle|idle_held"})) / sum(max by (state) (leadtime_gpus))',
            thresholds=more_is_bad(0.3, 0.5),
        ),
        tile(
            "Replicas missing",
            "Wanted in rotation and not there yet.",
            "none",
            f"sum(clamp_min(service:leadtime_missing_replicas:max{{{S}}}, 0))",
            thresholds=more_is_bad(1, 3),
        ),
        tile(
            "Standby ready",
            "Replicas that are ready or asleep, out of rotation.",
            "none",
            f"sum(service:leadtime_standby_replicas:sum{{{S}}})",
        ),
        tile(
            "Shortfall risk, worst service",
            "Probability of too little capacity before new replicas could serve.",
            "percentunit",
            f"max(leadtime_shortfall_risk_ratio{{{S}}})",
            thresholds=more_is_bad(0.1, 0.2),
        ),
    )


def table() -> Panel:
    """Every service and its state in one line."""
    return Panel(
        "Alerts that fire",
        "What a person should look at now; the runbook is docs/dashboards.md.",
        "none",
        (Query('sum by (alertname, severity, service) (ALERTS{alertname=~"Leadtime.*", alertstate="firing"})'),),
        "table",
        width=24,
        height=6,
    )


def replicas() -> tuple[Panel, ...]:
    """Replicas by state, and load against capacity."""
    load, carried = (f"max by (service) (leadtime_{what}_erlangs{{{S}}}" for what in ("offered_load", "capacity"))
    used = f"{load}) / {carried} > 0)"
    return (
        Panel(
            "Replicas by state",
            "Of the services chosen, all together.",
            "none",
            (Query(f"sum by (state) (max by (service, state) (leadtime_replicas{{{S}}}))", "{{state}}"),),
            stacked=True,
            least=0,
        ),
        Panel(
            "Load over capacity",
            "Above 1 more comes than active replicas carry within their promise.",
            "percentunit",
            (Query(used, "{{service}}"),),
            thresholds=more_is_bad(0.9, 1.0),
            least=0,
            page="service?service=${service}",
        ),
        Panel(
            "Offered load",
            "Work that arrives, of all services; it adds up, unlike requests.",
            ERLANGS,
            (Query(f"max by (service) (leadtime_offered_load_erlangs{{{S}}})", "{{service}}"),),
            stacked=True,
            least=0,
        ),
        Panel(
            "Shortfall risk",
            "Probability of too little capacity before new replicas could serve; the alert stands at the upper line.",
            "percentunit",
            (Query(f"max by (service) (leadtime_shortfall_risk_ratio{{{S}}})", "{{service}}"),),
            thresholds=more_is_bad(0.1, 0.2),
            least=0,
            page="forecasts?service=${service}",
        ),
    )


def loop() -> tuple[Panel, ...]:
    """Whether the controller runs and sees."""
    return (
        Panel(
            "Age of data",
            "Since the last complete observation; above the line the alert fires, and the controller has long been"
            " holding.",
            "s",
            (Query(f"min by (service) (leadtime_data_age_seconds{{{S}}})", "{{service}}"),),
            width=8,
            thresholds=more_is_bad(60, 120),
            least=0,
        ),
        Panel(
            "Ticks",
            "Ticks of the control loop, those that failed, and those that came late, per minute.",
            "cpm",
            (
                Query("sum(rate(leadtime_ticks_total[$__rate_interval])) * 60", "ticks"),
                Query("sum(rate(leadtime_failed_ticks_total[$__rate_interval])) * 60", "failed"),
                Query("sum(rate(leadtime_tick_overruns_total[$__rate_interval])) * 60", "late"),
            ),
            width=8,
            least=0,
        ),
        Panel(
            "CPU of a tick",
            "Processor time of the last tick; it must stay well below the interval.",
            "s",
            (Query("max(leadtime_tick_cpu_seconds)", "cpu"),),
            width=8,
            least=0,
        ),
    )
