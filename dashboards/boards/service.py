"""One service: its promise, its engines, its router, what a replica carries and how fast one comes."""

from __future__ import annotations

from dashboards.board import ONE_SERVICE, POOLS, Board, Panel, Query, Row
from dashboards.boards.shared import ERLANGS, S, attained, load_and_capacity, misses
from dashboards.settings import Settings

E = 'leadtime_service=~"$service"'
P = 'service=~"$service", pool=~"$pool"'


def board(settings: Settings) -> Board:
    """The dashboard."""
    rows = (
        Row("Promise", (misses(settings), load_and_capacity(), *latencies(), attainment(settings))),
        Row("Engines", engines()),
        Row("Router", router()),
        Row("Capacity and lead time", capacity()),
    )
    text = "One service from the promise down to what its engines report."
    page = "service?service=${service}"
    return Board("leadtime-service", "Leadtime / Service", text, rows, (ONE_SERVICE, POOLS), page)


def latencies() -> tuple[Panel, ...]:
    """What engines report."""
    named = {"ttft": "Time to first token", "itl": "Time between tokens"}
    return tuple(
        Panel(
            title,
            "Quantiles over all engines of the service, from vLLM's histograms; a quantile is as exact as the"
            " buckets are.",
            "s",
            tuple(Query(f"service:vllm_{short}_seconds:{q}_rate5m{{{S}}}", q.upper()) for q in ("p50", "p90", "p99")),
            width=8,
            least=0,
        )
        for short, title in named.items()
    )


def attainment(settings: Settings) -> Panel:
    """As the daemon estimates it."""
    return Panel(
        "Attainment, estimated",
        "The daemon's estimate from histograms; where a router is in front its count decides instead.",
        "percentunit",
        (Query(f"max by (service) (leadtime_slo_attainment_ratio{{{S}}})", "{{service}}"),),
        width=8,
        thresholds=attained(settings),
        most=1,
    )


def engines() -> tuple[Panel, ...]:
    """Requests, memory and tokens, by replica."""
    by = "sum by (leadtime_replica)"
    return (
        Panel(
            "Running and waiting",
            "Requests in the engines of the service.",
            "none",
            (
                Query(f"sum(vllm:num_requests_running{{{E}}})", "running"),
                Query(f"sum(vllm:num_requests_waiting{{{E}}})", "waiting"),
            ),
            width=8,
            least=0,
        ),
        Panel(
            "KV memory",
            "Share of the KV blocks in use, by replica; from 90 % on the controller asks for more.",
            "percentunit",
            (Query(f"max by (leadtime_replica) (vllm:kv_cache_usage_perc{{{E}}})", "{{leadtime_replica}}"),),
            width=8,
            thresholds=((None, "green"), (0.9, "red")),
            least=0,
            most=1,
        ),
        Panel(
            "Preemptions",
            "Requests thrown out and computed again, a second and replica; the line is where the alert stands.",
            "cps",
            (Query(f"{by} (rate(vllm:num_preemptions_total{{{E}}}[$__rate_interval]))", "{{leadtime_replica}}"),),
            width=8,
            thresholds=((None, "green"), (0.1, "red")),
            least=0,
        ),
        Panel(
            "Tokens",
            "Prompt tokens, those of them that the prefix cache had, and generated tokens, a second.",
            "cps",
            (
                Query(f"service:vllm_prompt_tokens:rate5m{{{S}}}", "prompt"),
                Query(f"service:vllm_prompt_tokens_cached:rate5m{{{S}}}", "cached"),
                Query(f"service:vllm_generation_tokens:rate5m{{{S}}}", "generated"),
            ),
            least=0,
        ),
        Panel(
            "Requests by replica",
            "Running requests of each engine: far apart means that the router favours some.",
            "none",
            (Query(f"{by} (vllm:num_requests_running{{{E}}})", "{{leadtime_replica}}"),),
            least=0,
        ),
    )


def router() -> tuple[Panel, ...]:
    """What the gateway counts."""
    counted = ("arrived", "attained", "rejected", "lost", "retried", "continued", "left")
    rate = f"sum(rate(leadtime_gateway_requests_%s_total{{{S}}}[$__rate_interval]))"
    return (
        Panel(
            "Requests by fate",
            "A second: came, kept the promise, turned away, broke off, sent again, finished elsewhere, left by the"
            " client.",
            "reqps",
            tuple(Query(rate % what, what) for what in counted),
            least=0,
        ),
        Panel(
            "Held",
            "Requests that wait at the router, by class where there are classes.",
            "none",
            (
                Query(f"sum by (service) (leadtime_gateway_requests_held{{{S}}})", "all"),
                Query(f"sum by (class) (leadtime_gateway_class_held{{{S}}})", "{{class}}"),
            ),
            width=6,
            least=0,
        ),
        Panel(
            "Rejected and lost",
            "Shares of what arrived and of what ended; alerts stand at 1 % and at 0.1 %.",
            "percentunit",
            (
                Query(f"service:leadtime_rejected:ratio_rate5m{{{S}}}", "rejected"),
                Query(f"service:leadtime_lost:ratio_rate5m{{{S}}}", "lost"),
            ),
            width=6,
            least=0,
        ),
    )


def capacity() -> tuple[Panel, ...]:
    """What decisions rest on."""
    return (
        Panel(
            "Lead time, P90",
            "From each tier to serving, as decisions use it.",
            "s",
            (Query(f'max by (pool, tier) (leadtime_lead_time_seconds{{{P}, quantile="0.90"}})', "{{pool}} {{tier}}"),),
            width=8,
            least=0,
        ),
        Panel(
            "What a replica carries",
            "As learned from what replicas report, and by the configured figures alone.",
            ERLANGS,
            (Query(f"max by (pool, by) (leadtime_replica_capacity_erlangs{{{P}}})", "{{pool}} {{by}}"),),
            width=8,
            least=0,
        ),
        Panel(
            "Step time, learned over configured",
            "By term of the step-time law: 1 is as configured.",
            "none",
            (Query(f"max by (pool, term) (leadtime_step_time_factor_ratio{{{P}}})", "{{pool}} {{term}}"),),
            width=8,
            thresholds=((None, "orange"), (0.67, "green"), (1.5, "orange")),
        ),
    )
