"""What one tick says about a service, as the named numbers that go to the history, charts and ``/metrics``.

Pure. ``None`` is a gap and stays one. Rates are per second, times seconds, money US dollars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from autoscaler.decision import Decision
from autoscaler.policy import Policy, Slo
from collectors.observation import GpuUse, Histogram, Observation
from forecasting.forecast import Forecast
from runtime.pool import Pool
from runtime.replica import Replica, Tier, Transition

Signals = dict[str, float | None]

FORECAST_TAUS = {"forecast_p50": 0.5, "forecast_p95": 0.95, "forecast_p99": 0.99}
QUANTILES = ("p50", "p90", "p99")


def share_within(histogram: Histogram | None, target: float) -> float | None:
    """Share of a histogram's observations at or below ``target``, linear within the bucket; None without any.

    An estimate: how requests lie inside a bucket is not known. Observations above the last finite bound count
    as misses, as nothing says how far above they are.
    """
    if histogram is None or not histogram.counts or histogram.counts[-1] <= 0:
        return None
    bounds = [bound for bound in histogram.bounds if np.isfinite(bound)]
    counts = histogram.counts[: len(bounds)]
    within = float(np.interp(target, [0.0, *bounds], [0.0, *counts]))
    return min(1.0, within / histogram.counts[-1])


def attainment(observation: Observation, slo: Slo) -> float | None:
    """Estimated share of requests within both targets: the lesser of the two, an upper bound on the joint.

    The TTFT target grows with the mean prompt where the policy says so.
    """
    prompt_1k = (observation.mean_input_tokens or 0.0) / 1000
    ttft = share_within(observation.ttft, slo.ttft_s + slo.ttft_s_per_1k_tokens * prompt_1k)
    tpot = share_within(observation.tpot, slo.tpot_s)
    known = [share for share in (ttft, tpot) if share is not None]
    return min(known) if known else None


def state_of(replica: Replica) -> str:
    """Where a replica is counted: its transition while it has one, else its tier."""
    return str(replica.transition or replica.tier)


def usd_per_hour(replicas: Iterable[Replica], pool: Pool) -> float:
    """Cost of the replicas now, USD per hour; one in transition or failed holds its GPUs in full."""
    return sum(
        pool.replica_usd_per_hour if replica.transition else pool.holding_usd_per_hour(replica.tier)
        for replica in replicas
    )


def usd_per_million(usd_hour: float, observation: Observation) -> float | None:
    """Fully loaded price of a million tokens, in and out, at this moment; None without tokens."""
    known = (observation.input_tokens_per_s, observation.output_tokens_per_s)
    tokens_per_s = sum(rate for rate in known if rate is not None)
    return usd_hour / (tokens_per_s * 3600 / 1e6) if tokens_per_s > 0 else None


def replica_signals(replicas: Iterable[Replica]) -> Signals:
    """Replicas by state."""
    counts = Counter(map(state_of, replicas))
    states = (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP, Transition.LAUNCHING, Transition.DRAINING)
    return {f"replicas_{state}": float(counts[state]) for state in states}


def observed_signals(observation: Observation) -> Signals:
    """What the engines said."""
    said: Signals = {
        name: getattr(observation, name)
        for name in (
            "arrivals_per_s",
            "input_tokens_per_s",
            "output_tokens_per_s",
            "running",
            "waiting",
            "kv_usage_ratio",
        )
    }
    said |= {f"ttft_{q}_s": observation.ttft_s.get(q) for q in QUANTILES}
    return said | {f"tpot_{q}_s": observation.tpot_s.get(q) for q in QUANTILES}


def forecast_signals(forecast: Forecast | None, lead_s: float) -> Signals:
    """Quantiles of the greatest load within the launch lead time, erlangs."""
    if forecast is None:
        return dict.fromkeys(FORECAST_TAUS)
    return {name: forecast.quantile(lead_s, tau) for name, tau in FORECAST_TAUS.items()}


def service_signals(
    observation: Observation,
    decision: Decision,
    forecast: Forecast | None,
    replicas: tuple[Replica, ...],
    pool: Pool,
    policy: Policy,
    lead_s: float,
) -> Signals:
    """All signals of one service at one tick."""
    counts = replica_signals(replicas)
    active, standby = counts["replicas_active"] or 0.0, counts["replicas_standby"] or 0.0
    cost = usd_per_hour(replicas, pool)
    desired = decision.plan.targets[0].active if decision.plan.targets else None
    return {
        "offered_erlangs": decision.offered_erlangs,
        "capacity_erlangs": active * decision.rho_max,
        "ready_erlangs": (active + standby) * decision.rho_max,
        **forecast_signals(forecast, lead_s),
        **observed_signals(observation),
        "attainment": attainment(observation, policy.slo),
        **counts,
        "replicas_desired": None if desired is None else float(desired),
        "usd_per_hour": cost,
        "usd_per_million_tokens": usd_per_million(cost, observation),
    }


def gpu_signals(use: GpuUse | None) -> Signals:
    """GPUs by use."""
    if use is None:
        return {"gpus_busy": None, "gpus_idle_held": None, "gpus_idle": None}
    return {
        "gpus_busy": float(use.busy),
        "gpus_idle_held": float(use.idle_held),
        "gpus_idle": float(use.idle),
    }
