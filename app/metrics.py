"""Our own metrics, ``leadtime_*``: the daemon's memory as Prometheus reads it.

Names follow the Prometheus conventions: base units, ``_total`` on counters, ``_ratio`` between 0 and 1. What
is not known is absent, never zero. Of several daemons all see the same fleet: who leads tells of it, the others of
themselves alone, so that sums over daemons are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.daemon.memory import Memory, ServiceMemory
from app.daemon.signals import state_of
from autoscaler.learning.law import TERMS
from autoscaler.safety.overrides import Kind
from autoscaler.tuning.knobs import values

Row = tuple[tuple[str, ...], float | None]


def page(memory: Memory, now_s: float, *, leading: bool = True, wall_s: float | None = None) -> bytes:
    """The exposition page for the memory as it is. ``wall_s`` is the machine's time, which certificates go by and a
    simulated fleet does not.
    """
    registry = CollectorRegistry()
    registry.register(MemoryCollector(memory, now_s, leading=leading, wall_s=wall_s))
    return generate_latest(registry)


class MemoryCollector(Collector):
    """Reads the memory at each scrape."""

    def __init__(self, memory: Memory, now_s: float, *, leading: bool, wall_s: float | None) -> None:
        self._memory = memory
        self._now_s = now_s
        self._leading = leading
        self._wall_s = wall_s

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield gauge("leadtime_build_info", "The version that runs.", ["version"], [((version("leadtime"),), 1)])
        yield from daemon_families(self._memory, leading=self._leading)
        if self._wall_s is not None:
            yield certificates(self._memory, self._wall_s, leading=self._leading)
        if self._leading:
            yield from fleet_families(self._memory)
            yield from service_families(self._memory, self._now_s)


def gauge(name: str, text: str, labels: list[str], rows: Iterable[Row]) -> Metric:
    """A gauge family without the rows that are not known."""
    family = GaugeMetricFamily(name, text, labels=labels)
    return filled(family, rows)


def counter(name: str, text: str, labels: list[str], rows: Iterable[Row]) -> Metric:
    """A counter family; ``name`` ends in ``_total``."""
    return filled(CounterMetricFamily(name, text, labels=labels), rows)


def filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Iterable[Row]) -> Metric:
    """The family with its known rows."""
    for labels, value in rows:
        if value is not None:
            family.add_metric(list(labels), value)
    return family


def daemon_families(memory: Memory, *, leading: bool) -> Iterator[Metric]:
    """The loop itself and what this daemon has decided; of a follower all that there is."""
    tally = memory.tally
    yield gauge("leadtime_leading", "1 for the daemon that decides and acts, 0 for others.", [], [((), float(leading))])
    yield counter("leadtime_ticks_total", "Ticks of the control loop.", [], [((), tally.ticks)])
    yield counter("leadtime_failed_ticks_total", "Ticks that failed.", [], [((), tally.failed_ticks)])
    yield counter("leadtime_tick_overruns_total", "Ticks that came late.", [], [((), tally.overruns)])
    yield gauge("leadtime_tick_cpu_seconds", "CPU of the last tick.", [], [((), tally.last_tick_cpu_s)])
    yield gauge("leadtime_clock_speed_ratio", "Times real speed.", [], [((), memory.speed)])
    yield counter("leadtime_decision_total", "Decisions.", ["service", "action", "reason"], tally.decisions.items())
    yield counter("leadtime_forecast_fits_total", "Fits of experts.", ["service", "outcome"], tally.fits.items())
    costs = [((service, "serving"), usd) for service, usd in tally.cost_usd.items()]
    yield counter("leadtime_cost_dollars_total", "Price of all replicas.", ["service", "kind"], costs)


def certificates(memory: Memory, wall_s: float, *, leading: bool) -> Metric:
    """The API's own certificate, and of the agents' the one that ends first; below zero for one that has expired."""
    ends: dict[str, float] = {}
    if memory.certificate_ends_s is not None:
        ends["api"] = memory.certificate_ends_s()
    if leading and (known := [one.expires_s for one in memory.agents.values() if one.expires_s is not None]):
        ends["agents"] = min(known)
    rows: list[Row] = [((listener,), at_s - wall_s) for listener, at_s in ends.items()]
    return gauge("leadtime_certificate_remaining_seconds", "Until the first certificate ends.", ["listener"], rows)


def fleet_families(memory: Memory) -> Iterator[Metric]:
    """GPUs, and racks of them."""
    if use := memory.gpus:
        rows = [((state,), float(getattr(use, state))) for state in ("busy", "idle_held", "idle", "faulty")]
        yield gauge("leadtime_gpus", "GPUs by use.", ["state"], rows)
    yield from rack_families(memory)


def rack_families(memory: Memory) -> Iterator[Metric]:
    """GPUs that services share, one row per rack and state; none without racks."""
    if not memory.racks:
        return
    rows: list[Row] = []
    for name, rack in memory.racks.items():
        if rack.told is not None:
            rows += [((name, state), float(getattr(rack.told, state))) for state in ("held", "used", "ordered", "lent")]
        if rack.considered is not None:
            rows.append(((name, "wanted"), float(rack.considered.decision.gpus)))
    yield gauge("leadtime_rack_gpus", "GPUs that services share.", ["rack", "state"], rows)
    costs: list[Row] = [((name,), rack.idle_usd_per_hour) for name, rack in memory.racks.items()]
    yield gauge("leadtime_rack_idle_dollars_per_hour", "Price of shared GPUs nobody is awake on.", ["rack"], costs)


def service_families(memory: Memory, now_s: float) -> Iterator[Metric]:
    """One family per number, one row per service."""
    services = memory.services.items()
    for name, text, read in PER_SERVICE:
        rows = [((service,), read(known, now_s)) for service, known in services]
        yield gauge(name, text, ["service"], rows)
    for name, text, labels, read_rows in PER_SERVICE_AND_MORE:
        more = [((service, *keys), value) for service, known in services for keys, value in read_rows(known)]
        yield gauge(name, text, ["service", *labels], more)


def data_age_s(known: ServiceMemory, now_s: float) -> float | None:
    """Age of the last valid observation."""
    return None if known.last_valid_s is None else max(0.0, now_s - known.last_valid_s)


def model_age_s(known: ServiceMemory, now_s: float) -> float | None:
    """Age of the experts' last fit."""
    return None if known.fitted_at_s is None else max(0.0, now_s - known.fitted_at_s)


def replica_rows(known: ServiceMemory) -> list[Row]:
    """Replicas by state."""
    return [((state,), float(count)) for state, count in Counter(map(state_of, known.replicas)).items()]


def standby_rows(known: ServiceMemory) -> list[Row]:
    """Replicas that are ready but not in rotation, by tier."""
    counts = Counter(map(state_of, known.replicas))
    return [((tier,), float(counts[tier])) for tier in ("standby", "asleep")]


def sick_replicas(known: ServiceMemory, now_s: float) -> float:
    """Replicas with a sick GPU."""
    return float(len(known.control.health.sick))


def override_rows(known: ServiceMemory) -> list[Row]:
    """What operators hold by hand, by kind."""
    return [((kind,), float(sum(o.kind is kind for o in known.control.overrides))) for kind in Kind]


def forecast_rows(known: ServiceMemory) -> list[Row]:
    """Every horizon and quantile of the latest forecast, erlangs."""
    forecast = known.forecast
    if forecast is None:
        return []
    return [
        ((f"{horizon_s:g}", f"{tau:g}"), value)
        for horizon_s, row in zip(forecast.horizons_s, forecast.values, strict=True)
        for tau, value in zip(forecast.taus, row, strict=True)
    ]


def lead_time_rows(known: ServiceMemory) -> list[Row]:
    """The lead times that decisions use."""
    times = known.control.lead_times.items()
    return [
        ((known.pool.name, tier, q), getattr(time, f"p{q[2:]}_s")) for tier, time in times for q in ("0.50", "0.90")
    ]


def capacity_rows(known: ServiceMemory) -> list[Row]:
    """What one replica carries, and what its configured figures alone would say; erlangs of the configured law."""
    decision = known.decision
    if decision is None:
        return []
    configured = decision.rho_max if decision.rho_max_configured is None else decision.rho_max_configured
    return [((known.pool.name, "used"), decision.rho_max), ((known.pool.name, "configured"), configured)]


def factor_rows(known: ServiceMemory) -> list[Row]:
    """The factors that were learned on the four terms of the step-time law."""
    learned = known.control.learned
    return (
        [((known.pool.name, term), factor) for term, factor in zip(TERMS, learned.factors, strict=True)]
        if learned
        else []
    )


def learning_rows(known: ServiceMemory) -> list[Row]:
    """Replicas that taught at the last look, and those that were refused, by the kind of the reason."""
    learned = known.control.learned
    if learned is None:
        return []
    counts = Counter({"taken": learned.taken})
    for reason, count in learned.refused:
        counts[reason.split(":")[0]] += count
    return [((known.pool.name, outcome), float(count)) for outcome, count in counts.items()]


def knob_rows(known: ServiceMemory) -> list[Row]:
    """The operator's knobs, with what was tuned laid over them where that may act."""
    return [((name,), float(value)) for name, value in values(known.in_effect).items()]


def signal(name: str) -> Callable[[ServiceMemory, float], float | None]:
    """Reads one signal of the last tick."""
    return lambda known, now_s: known.signals.get(name)


PER_SERVICE: tuple[tuple[str, str, Callable[[ServiceMemory, float], float | None]], ...] = (
    ("leadtime_desired_replicas", "Replicas wanted in rotation.", signal("replicas_desired")),
    ("leadtime_offered_load_erlangs", "Work that arrives.", signal("offered_erlangs")),
    ("leadtime_capacity_erlangs", "Work that active replicas carry.", signal("capacity_erlangs")),
    ("leadtime_slo_attainment_ratio", "Estimated share of requests within targets.", signal("attainment")),
    ("leadtime_cost_dollars_per_hour", "Price of the replicas now.", signal("usd_per_hour")),
    ("leadtime_sick_replicas", "Replicas with a sick GPU.", sick_replicas),
    ("leadtime_data_age_seconds", "Age of the last valid observation.", data_age_s),
    ("leadtime_forecast_model_age_seconds", "Time since experts were fitted last.", model_age_s),
    (
        "leadtime_tuning_regret_ratio",
        "What was held, misses priced in, over the best settings in hindsight, less 1.",
        lambda known, now_s: known.tuner.choice.regret if known.tuner.choice else None,
    ),
    (
        "leadtime_tuning_price_replica_seconds",
        "What a late request is priced at.",
        lambda known, now_s: known.tuner.choice.price.now_s if known.tuner.choice else None,
    ),
    (
        "leadtime_shortfall_risk_ratio",
        "Probability of too little capacity before new replicas serve.",
        lambda known, now_s: known.decision.risk_of_shortfall if known.decision else None,
    ),
)

PER_SERVICE_AND_MORE: tuple[tuple[str, str, list[str], Callable[[ServiceMemory], list[Row]]], ...] = (
    ("leadtime_replicas", "Replicas by state.", ["state"], replica_rows),
    ("leadtime_overrides", "What operators hold by hand.", ["kind"], override_rows),
    ("leadtime_standby_replicas", "Replicas ready but not in rotation.", ["tier"], standby_rows),
    ("leadtime_forecast_quantile", "Greatest load to come, erlangs.", ["horizon", "quantile"], forecast_rows),
    ("leadtime_lead_time_seconds", "Time from a tier to serving.", ["pool", "tier", "quantile"], lead_time_rows),
    ("leadtime_policy_knob", "The knobs that decisions are made by.", ["knob"], knob_rows),
    ("leadtime_replica_capacity_erlangs", "What one replica carries.", ["pool", "by"], capacity_rows),
    ("leadtime_step_time_factor_ratio", "Learned over configured step time.", ["pool", "term"], factor_rows),
    ("leadtime_learning_replicas", "Replicas at the last look.", ["pool", "outcome"], learning_rows),
)
