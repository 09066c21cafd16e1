"""What one tick says about a service, as the named numbers that go to the history, charts and ``/metrics``.

Pure. ``None`` is a gap and stays one. Rates are per second, times seconds, money US dollars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from autoscaler.attainment import attainment
from autoscaler.cost import hourly_of, per_million_tokens
from autoscaler.decision import Decision
from autoscaler.policy import Policy
from collectors.observation import GpuUse, Observation
from forecasting.forecast import Forecast
from runtime.pool import Pool
from runtime.replica import Replica

Signals = dict[str, float | None]

FORECAST_TAUS = {"forecast_p50": 0.5, "forecast_p95": 0.95, "forecast_p99": 0.99}
QUANTILES = ("p50", "p90", "p99")
OBSERVED = (
    "arrivals_per_s",
    "input_tokens_per_s",
    "output_tokens_per_s",
    "running",
    "waiting",
    "kv_usage_ratio",
)
STATES = ("active", "standby", "asleep", "launching", "draining")

SIGNALS = (
    "offered_erlangs",
    "capacity_erlangs",
    "ready_erlangs",
    *FORECAST_TAUS,
    *OBSERVED,
    *(f"{latency}_{q}_s" for latency in ("ttft", "tpot") for q in QUANTILES),
    "attainment",
    *(f"replicas_{state}" for state in STATES),
    "replicas_desired",
    "usd_per_hour",
    "usd_per_million_tokens",
)
"""What the history holds of every service."""

FLEET = "_fleet"
FLEET_SIGNALS = ("gpus_busy", "gpus_idle_held", "gpus_idle")
"""What the history holds of the fleet as a whole, under the service name ``FLEET``."""


def state_of(replica: Replica) -> str:
    """Where a replica is counted: its transition while it has one, else its tier."""
    return str(replica.transition or replica.tier)


def replica_signals(replicas: Iterable[Replica]) -> Signals:
    """Replicas by state."""
    counts = Counter(map(state_of, replicas))
    return {f"replicas_{state}": float(counts[state]) for state in STATES}


def observed_signals(observation: Observation) -> Signals:
    """What the engines said."""
    said: Signals = {name: getattr(observation, name) for name in OBSERVED}
    said |= {f"ttft_{q}_s": observation.ttft_s.get(q) for q in QUANTILES}
    return said | {f"tpot_{q}_s": observation.tpot_s.get(q) for q in QUANTILES}


def token_rate(observation: Observation) -> float | None:
    """Tokens in and out per second; None where neither is known."""
    rates = (observation.input_tokens_per_s, observation.output_tokens_per_s)
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


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
    active, standby = (worth(replicas, decision, state) for state in ("active", "standby"))
    cost = hourly_of(replicas, (pool, *(branch.pool for branch in decision.next_state.more)))
    price = per_million_tokens(cost, token_rate(observation))
    desired = decision.plan.total.active if decision.plan.targets else None
    return {
        # On incomplete data the load is a lower bound: a gap in the history, not a dip.
        "offered_erlangs": decision.offered_erlangs if observation.valid else None,
        "capacity_erlangs": active * decision.rho_max,
        "ready_erlangs": (active + standby) * decision.rho_max,
        **forecast_signals(forecast, lead_s),
        **observed_signals(observation),
        "attainment": attainment(observation, policy.slo),
        **counts,
        "replicas_desired": None if desired is None else float(desired),
        "usd_per_hour": cost.total_usd,
        "usd_per_million_tokens": price.fully_loaded_usd,
    }


def worth(replicas: Iterable[Replica], decision: Decision, state: str) -> float:
    """Replicas in a state, those of further pools counted as what they are worth of the first one's."""
    worths = {branch.pool.name: branch.worth for branch in decision.next_state.more}
    return float(sum(worths.get(replica.pool, 1.0) for replica in replicas if state_of(replica) == state))


def gpu_signals(use: GpuUse | None) -> Signals:
    """GPUs by use."""
    if use is None:
        return dict.fromkeys(FLEET_SIGNALS)
    return {name: float(getattr(use, name.removeprefix("gpus_"))) for name in FLEET_SIGNALS}


def fleet_signals(services: Sequence[Signals], decisions: Sequence[Decision], idle_usd: float = 0.0) -> Signals:
    """The numbers of the five-second strip over all services; the worst service speaks where a mean would hide it.

    ``idle_usd`` an hour is for shared GPUs that are no service's at the moment.
    """
    tokens = sum(known_sum(services, name) or 0.0 for name in ("input_tokens_per_s", "output_tokens_per_s"))
    own_usd = known_sum(services, "usd_per_hour")
    usd = None if own_usd is None else own_usd + idle_usd
    attained = [share for signals in services if (share := signals["attainment"]) is not None]
    risks = [decision.risk_of_shortfall for decision in decisions if decision.risk_of_shortfall is not None]
    return {
        "attainment": min(attained, default=None),
        "usd_per_hour": usd,
        "usd_per_million_tokens": usd / (tokens * 3600 / 1e6) if usd is not None and tokens > 0 else None,
        "replicas_active": known_sum(services, "replicas_active"),
        "replicas_desired": known_sum(services, "replicas_desired"),
        "standby_ready": known_sum(services, "replicas_standby"),
        "asleep": known_sum(services, "replicas_asleep"),
        "risk_of_shortfall": max(risks, default=None),
    }


def known_sum(services: Iterable[Signals], name: str) -> float | None:
    """The sum over the services that know it; None where none does."""
    known = [value for signals in services if (value := signals[name]) is not None]
    return sum(known) if known else None
