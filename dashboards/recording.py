"""Recording rules: what several panels and alerts need, computed once, by the conventions ``level:metric:operations``.

Where several daemons run for high availability all of them export the same services, so gauges are joined by ``max``
and never by ``sum``. Routers share the traffic, so their counters add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dashboards.dcgm import either
from dashboards.names import Metric

WINDOWS = ("5m", "30m", "1h", "6h")
"""The four windows of the burn-rate alerts."""

LATENCY_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
LATENCIES = {"ttft": "vllm:time_to_first_token_seconds_bucket", "itl": "vllm:inter_token_latency_seconds_bucket"}

RESTART_XIDS = (13, 31, 32, 45, 68, 69, 94)
"""Errors of the application: a new process mends them (collectors/health.py)."""

HARMLESS_XIDS = (43, 44, 63, 66, 67, 92, 121, 137)


@dataclass(frozen=True, slots=True)
class Record:
    """One rule; ``labels`` are those of its result."""

    name: str
    expr: str
    labels: tuple[str, ...] = ("service",)

    @property
    def metric(self) -> Metric:
        """What others may name once it is recorded."""
        return Metric(self.name, "record", self.labels)


def missed(window: str) -> Record:
    """Share of requests that broke the promise: as the router counted, else as the daemon estimates from histograms."""
    attained, ended = (
        f"sum by (service) (rate(leadtime_gateway_requests_{what}_total[{window}]))" for what in ("attained", "ended")
    )
    estimate = f"1 - max by (service) (avg_over_time(leadtime_slo_attainment_ratio[{window}]))"
    return Record(
        f"service:leadtime_missed:ratio_rate{window}", f"(1 - {attained} / {ended}) or on (service) ({estimate})"
    )


def of_services(metric: str) -> str:
    """A counter of engines per second, by the service that its scrape job names."""
    moved = f'label_replace(rate({metric}[5m]), "service", "$1", "leadtime_service", "(.+)")'
    return f"sum by (service) ({moved})"


def latencies() -> Iterator[Record]:
    """Quantiles of what engines report, by service, seconds."""
    for short, bucket in LATENCIES.items():
        moved = f'label_replace(rate({bucket}[5m]), "service", "$1", "leadtime_service", "(.+)")'
        for name, q in LATENCY_QUANTILES.items():
            expr = f"histogram_quantile({q:g}, sum by (service, le) ({moved}))"
            yield Record(f"service:vllm_{short}_seconds:{name}_rate5m", expr)


OF_A_GPU = ("gpu", "UUID", "modelName", "leadtime_node")


def urgent_xid() -> str:
    """GPUs whose last XID asks for more than a new process. The gauge keeps its last value for ever."""
    return f"{either('DCGM_FI_DEV_XID_ERRORS')} > 0 " + " ".join(f"!= {xid}" for xid in (*RESTART_XIDS, *HARMLESS_XIDS))


def records() -> tuple[Record, ...]:
    """All of them, in the order of evaluation."""
    active = 'max by (service) (leadtime_replicas{state="active"})'
    forecast = 'leadtime_forecast_quantile{horizon="300", quantile="0.95"} offset 5m'
    return (
        *(missed(window) for window in WINDOWS),
        Record(
            "service:leadtime_rejected:ratio_rate5m",
            "sum by (service) (rate(leadtime_gateway_requests_rejected_total[5m]))"
            " / sum by (service) (rate(leadtime_gateway_requests_arrived_total[5m]))",
        ),
        Record(
            "service:leadtime_lost:ratio_rate5m",
            "sum by (service) (rate(leadtime_gateway_requests_lost_total[5m]))"
            " / sum by (service) (rate(leadtime_gateway_requests_ended_total[5m]))",
        ),
        Record(
            "service:leadtime_active_replicas:max",
            f"{active} or on (service) 0 * max by (service) (leadtime_desired_replicas)",
        ),
        Record(
            "service:leadtime_missing_replicas:max",
            "max by (service) (leadtime_desired_replicas) - on (service) service:leadtime_active_replicas:max",
        ),
        Record(
            "service:leadtime_standby_replicas:sum",
            "sum by (service) (max by (service, tier) (leadtime_standby_replicas))",
        ),
        Record(
            "service:leadtime_moves:increase30m",
            "sum by (service, action) (max by (service, action, reason)"
            ' (increase(leadtime_decision_total{action!="hold"}[30m])))',
            ("service", "action"),
        ),
        Record(
            "service:leadtime_bound:increase10m",
            "max by (service, reason) (sum by (service, reason, instance) (increase(leadtime_decision_total[10m])))",
            ("service", "reason"),
        ),
        Record(
            "service:leadtime_forecast_p95_kept:bool5m",
            "max by (service) (max_over_time(leadtime_offered_load_erlangs[5m]))"
            f" <= bool on (service) max by (service) ({forecast})",
        ),
        *latencies(),
        Record("service:vllm_prompt_tokens:rate5m", of_services("vllm:prompt_tokens_total")),
        Record("service:vllm_prompt_tokens_cached:rate5m", of_services("vllm:prompt_tokens_cached_total")),
        Record("service:vllm_generation_tokens:rate5m", of_services("vllm:generation_tokens_total")),
        Record(
            "service:leadtime_cost_per_million_tokens:dollars",
            "max by (service) (leadtime_cost_dollars_per_hour) / on (service)"
            " ((service:vllm_prompt_tokens:rate5m + service:vllm_generation_tokens:rate5m) * 0.0036 > 0)",
        ),
        Record("gpu:dcgm_xid_errors:urgent", urgent_xid(), OF_A_GPU),
        Record(
            "gpu:dcgm_temperature:celsius",
            f"max by ({', '.join(OF_A_GPU)}) {either('DCGM_FI_DEV_GPU_TEMP')}",
            OF_A_GPU,
        ),
    )
