"""Money: what services cost now and so far, what a million tokens costs, and what is paid for nothing."""

from __future__ import annotations

from dashboards.board import SERVICES, Board, Panel, Query, Row
from dashboards.boards.shared import USD, S

TOTAL = "max by (service) (increase(leadtime_cost_dollars_total{%s}[%s]))"


def board() -> Board:
    """The dashboard."""
    rows = (
        Row("Now", tiles()),
        Row("By service", by_service()),
        Row("Paid for nothing", waste()),
        Row("Tenants", tenants()),
    )
    text = "What the fleet costs, by service and per million tokens, and what of it buys nothing."
    return Board("leadtime-cost", "Leadtime / Cost", text, rows, (SERVICES,))


def tiles() -> tuple[Panel, ...]:
    """Rates and sums."""
    tokens = f"sum(service:vllm_prompt_tokens:rate5m{{{S}}}) + sum(service:vllm_generation_tokens:rate5m{{{S}}})"
    hourly = f"sum(max by (service) (leadtime_cost_dollars_per_hour{{{S}}}))"
    shown = (
        ("Per hour", "Price of all replicas now.", hourly),
        ("Last 24 hours", "What replicas cost in the last day.", f"sum({TOTAL % (S, '1d')})"),
        (
            "Last 30 days",
            "What replicas cost in the last 30 days, as far back as Prometheus keeps.",
            f"sum({TOTAL % (S, '30d')})",
        ),
        (
            "Per million tokens",
            "Price of all replicas over prompt and generated tokens, idle ones included.",
            f"{hourly} / (({tokens}) * 0.0036 > 0)",
        ),
    )
    return tuple(Panel(title, text, USD, (Query(expr),), "stat", 6, 4) for title, text, expr in shown)


def by_service() -> tuple[Panel, ...]:
    """The same, apart."""
    return (
        Panel(
            "Cost per hour",
            "Price of each service's replicas.",
            USD,
            (Query(f"max by (service) (leadtime_cost_dollars_per_hour{{{S}}})", "{{service}}"),),
            stacked=True,
            least=0,
            page="service?service=${service}",
        ),
        Panel(
            "Cost per million tokens",
            "Price of a service's replicas over its prompt and generated tokens; no value while nothing is served.",
            USD,
            (Query(f"service:leadtime_cost_per_million_tokens:dollars{{{S}}}", "{{service}}"),),
            least=0,
        ),
        Panel(
            "Last 24 hours by service",
            "What each service's replicas cost in a day.",
            USD,
            (Query(TOTAL % (S, "1d"), "{{service}}"),),
            "bargauge",
        ),
        Panel(
            "Tokens",
            "Prompt and generated tokens a second.",
            "cps",
            (
                Query(f"service:vllm_prompt_tokens:rate5m{{{S}}}", "{{service}} prompt"),
                Query(f"service:vllm_generation_tokens:rate5m{{{S}}}", "{{service}} generated"),
            ),
            least=0,
        ),
    )


def waste() -> tuple[Panel, ...]:
    """GPUs by use, spare capacity, racks."""
    load, carried = (f"max by (service) (leadtime_{what}_erlangs{{{S}}}" for what in ("offered_load", "capacity"))
    spare = f"1 - {load}) / {carried} > 0)"
    return (
        Panel(
            "GPUs by use",
            "Busy, held by a replica that does nothing, idle, faulty.",
            "none",
            (Query("max by (state) (leadtime_gpus)", "{{state}}"),),
            width=8,
            stacked=True,
            least=0,
        ),
        Panel(
            "Capacity not used",
            "Share of what active replicas carry that no load asks for; some of it is the insurance.",
            "percentunit",
            (Query(spare, "{{service}}"),),
            width=8,
            most=1,
        ),
        Panel(
            "Racks",
            "Price an hour of shared GPUs nobody is awake on.",
            USD,
            (Query("max by (rack) (leadtime_rack_idle_dollars_per_hour)", "{{rack}}"),),
            width=8,
            least=0,
        ),
        Panel(
            "GPUs of racks",
            "Held, in use, ordered, lent out, wanted.",
            "none",
            (Query("max by (rack, state) (leadtime_rack_gpus)", "{{rack}} {{state}}"),),
            width=24,
            height=6,
            least=0,
        ),
    )


def tenants() -> tuple[Panel, ...]:
    """Who uses it."""
    return (
        Panel(
            "Tokens by tenant",
            "Prompts and answers a second, as the router counts them.",
            "cps",
            (Query("sum by (tenant) (rate(leadtime_gateway_tenant_tokens_total[$__rate_interval]))", "{{tenant}}"),),
            stacked=True,
            least=0,
        ),
        Panel(
            "Turned away by quota",
            "Requests of a tenant over its quota, a second.",
            "reqps",
            (Query("sum by (tenant) (rate(leadtime_gateway_tenant_limited_total[$__rate_interval]))", "{{tenant}}"),),
            least=0,
        ),
    )
