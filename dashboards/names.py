"""Every metric that a dashboard or a rule may name, with its labels; tests hold each row to what is really exported.

This package may import no other of ours, so the names are written down here once more: a name that an exporter no
longer has is found by a test and not by an empty panel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dashboards.dcgm import RENAMED

Kind = Literal["counter", "gauge", "histogram", "record"]

ENGINE_TARGET = ("leadtime_service", "leadtime_replica")
"""Labels that the scrape job gives to engines (deploy/prometheus/scrape.yaml)."""

GPU_TARGET = ("leadtime_node",)
"""Labels that the scrape job gives to dcgm-exporter."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A sample name as Prometheus stores it, its labels, and the values of labels that have a fixed set of them."""

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ACTIONS = ("hold", "scale_out", "scale_in")
STATES = ("active", "standby", "asleep", "warm_node", "cold", "launching", "waking", "draining", "failed")
QUANTILES = ("0.5", "0.8", "0.9", "0.95", "0.99")
HORIZONS = ("15", "60", "180", "300", "600", "1800", "3600")


def _gauges(*names: str, labels: tuple[str, ...] = (), **values: tuple[str, ...]) -> tuple[Metric, ...]:
    return tuple(Metric(name, "gauge", labels, values) for name in names)


def _counters(*names: str, labels: tuple[str, ...] = (), **values: tuple[str, ...]) -> tuple[Metric, ...]:
    return tuple(Metric(name, "counter", labels, values) for name in names)


DAEMON = (
    *_gauges("leadtime_build_info", labels=("version",)),
    *_counters("leadtime_ticks_total", "leadtime_failed_ticks_total", "leadtime_tick_overruns_total"),
    *_gauges("leadtime_leading", "leadtime_tick_cpu_seconds", "leadtime_clock_speed_ratio"),
    *_gauges("leadtime_certificate_remaining_seconds", labels=("listener",), listener=("api", "agents")),
    *_gauges("leadtime_gpus", labels=("state",), state=("busy", "idle_held", "idle", "faulty")),
    *_gauges("leadtime_rack_gpus", labels=("rack", "state"), state=("held", "used", "ordered", "lent", "wanted")),
    *_gauges("leadtime_rack_idle_dollars_per_hour", labels=("rack",)),
    *_counters("leadtime_decision_total", labels=("service", "action", "reason"), action=ACTIONS),
    *_counters("leadtime_forecast_fits_total", labels=("service", "outcome"), outcome=("done", "failed")),
    *_counters("leadtime_cost_dollars_total", labels=("service", "kind"), kind=("serving",)),
    *_gauges(
        "leadtime_desired_replicas",
        "leadtime_offered_load_erlangs",
        "leadtime_capacity_erlangs",
        "leadtime_slo_attainment_ratio",
        "leadtime_cost_dollars_per_hour",
        "leadtime_sick_replicas",
        "leadtime_data_age_seconds",
        "leadtime_forecast_model_age_seconds",
        "leadtime_tuning_regret_ratio",
        "leadtime_tuning_price_replica_seconds",
        "leadtime_shortfall_risk_ratio",
        labels=("service",),
    ),
    *_gauges("leadtime_replicas", labels=("service", "state"), state=STATES),
    *_gauges("leadtime_overrides", labels=("service", "kind"), kind=("freeze", "pin", "at_least")),
    *_gauges("leadtime_standby_replicas", labels=("service", "tier"), tier=("standby", "asleep")),
    *_gauges(
        "leadtime_forecast_quantile",
        labels=("service", "horizon", "quantile"),
        horizon=HORIZONS,
        quantile=QUANTILES,
    ),
    *_gauges("leadtime_lead_time_seconds", labels=("service", "pool", "tier", "quantile"), quantile=("0.50", "0.90")),
    *_gauges("leadtime_policy_knob", labels=("service", "knob")),
    *_gauges("leadtime_replica_capacity_erlangs", labels=("service", "pool", "by"), by=("used", "configured")),
    *_gauges("leadtime_step_time_factor_ratio", labels=("service", "pool", "term")),
    *_gauges("leadtime_learning_replicas", labels=("service", "pool", "outcome")),
)
"""What the daemon's page has (app/metrics.py)."""

ROUTER = (
    *_gauges("leadtime_gateway_requests_held", labels=("service",)),
    *_gauges("leadtime_gateway_class_held", labels=("service", "class")),
    *_counters(
        "leadtime_gateway_requests_rejected_total",
        "leadtime_gateway_requests_arrived_total",
        "leadtime_gateway_requests_ended_total",
        "leadtime_gateway_requests_attained_total",
        "leadtime_gateway_requests_lost_total",
        "leadtime_gateway_requests_retried_total",
        "leadtime_gateway_requests_continued_total",
        "leadtime_gateway_requests_left_total",
        labels=("service",),
    ),
    *_gauges(
        "leadtime_gateway_replica_requests",
        "leadtime_gateway_replica_unprefilled_tokens",
        "leadtime_gateway_replica_kv_tokens",
        labels=("service", "replica"),
    ),
    *_counters(
        "leadtime_gateway_tenant_requests_total",
        "leadtime_gateway_tenant_tokens_total",
        "leadtime_gateway_tenant_limited_total",
        labels=("tenant",),
    ),
    *_gauges("leadtime_gateway_tenant_in_flight", labels=("tenant",)),
    *_counters("leadtime_gateway_bandit_chosen_total", labels=("service", "arm")),
    *_gauges("leadtime_gateway_bandit_loss", "leadtime_gateway_bandit_weight", labels=("service", "arm")),
    *_counters("leadtime_gateway_fleet_errors_total"),
)
"""What the router's page has (runtime/router/page.py)."""

AGENT = (
    *_gauges("leadtime_agent_replicas", labels=("pool", "state"), state=STATES),
    *_counters("leadtime_agent_events_total", labels=("pool", "what")),
)
"""What the agent's page has (runtime/agent/page.py)."""

_VLLM = ("engine", "model_name", *ENGINE_TARGET)

ENGINES = (
    *_gauges("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", labels=_VLLM),
    *_counters(
        "vllm:prompt_tokens_total",
        "vllm:prompt_tokens_cached_total",
        "vllm:generation_tokens_total",
        "vllm:num_preemptions_total",
        labels=_VLLM,
    ),
    Metric("vllm:time_to_first_token_seconds_bucket", "histogram", (*_VLLM, "le")),
    Metric("vllm:inter_token_latency_seconds_bucket", "histogram", (*_VLLM, "le")),
)
"""What we show of vLLM; a test looks each up in a scrape of a real engine."""

_GPU = ("gpu", "UUID", "modelName", *GPU_TARGET)

GPUS = (
    *_gauges(
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_POWER_USAGE",
        "DCGM_FI_DEV_GPU_UTIL",
        "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_DEV_FB_FREE",
        "DCGM_FI_DEV_XID_ERRORS",
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        "DCGM_FI_PROF_SM_ACTIVE",
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        "DCGM_FI_PROF_DRAM_ACTIVE",
        labels=_GPU,
    ),
    *_counters("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", labels=_GPU),
)
"""What dcgm-exporter is told to give (deploy/dcgm-exporter/counters.csv), in the names and units of up to 4.8."""

GPUS_SINCE = tuple(replace(one, name=RENAMED[one.name].name) for one in GPUS if one.name in RENAMED)
"""The same in the names from 4.9 on."""

EXPORTED: Mapping[str, Metric] = {m.name: m for m in (*DAEMON, *ROUTER, *AGENT, *ENGINES, *GPUS, *GPUS_SINCE)}
