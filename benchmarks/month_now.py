"""The end of a made-up month as a daemon would show it: memory, decisions, policies, an audit and GPUs, at size.

Everything is made by the code that makes it in the daemon (``decide``, the ledger, the audit), from the month's own
loads. The ledger holds every turn of the last eight days and decisions between: as many as pages read, not as many as a
tick of 15 s would leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from app.daemon.memory import Memory, ServiceMemory
from app.daemon.signals import SIGNALS
from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision, Plan, TierCounts
from autoscaler.policy import Policy
from autoscaler.store.audit import AuditLog, Change
from autoscaler.store.codec import inputs
from autoscaler.store.ledger import Record, SqlLedger
from autoscaler.store.policies import PolicyStore
from benchmarks.month_fleet import DAY, Minutes, Traffic
from collectors.health import gpu_use
from collectors.observation import GpuSample, Observation, ReplicaSample
from forecasting.forecast import Forecast
from forecasting.forecaster import HORIZONS_S, TAUS
from runtime.pool import Pool
from runtime.replica import Replica, Tier, Transition

EIGHT_DAYS = 8 * DAY
OFTEN, SELDOM = 5, 30
"""Minutes between decisions on the last day, and before it."""

VERSIONS, CHANGES = 12, 2000
CHUNK = 500
GPUS_PER_NODE = 8
SPREADS = (1.0, 1.1, 1.16, 1.22, 1.35)
TIERS = (("active", Tier.ACTIVE, None), ("standby", Tier.STANDBY, None), ("moving", Tier.ACTIVE, Transition.LAUNCHING))


class Played(Protocol):
    """One service of the month."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def pool(self) -> Pool:
        """How it is run."""
        ...

    @property
    def policy(self) -> Policy:
        """By what it is sized."""
        ...


Parts = tuple[Played, Traffic, Minutes]


def decided(part: Parts, at: int, end_s: float) -> tuple[Decision, dict[str, Any]]:
    """The decision at a minute of the month, and what it was made from."""
    one, _, minutes = part
    seen, now_s = observed(part, at, end_s), end_s - 60.0 * (len(minutes.seen) - 1 - at)
    forecast = told(one.name, float(minutes.erlangs[at]), now_s)
    counts = TierCounts(active=int(minutes.active[at]), standby=int(minutes.standby[at]))
    state = ControlState(one.name, one.pool, counts, now_s - 30 * 86400.0)
    made = decide(seen, forecast, state, one.policy, now_s)
    return made, inputs(seen, forecast, state, one.policy, now_s)


def observed(part: Parts, at: int, end_s: float) -> Observation:
    """One tick of a service, as its engines would tell it."""
    one, traffic, minutes = part
    rate, count = float(minutes.requests_per_s[at]), int(minutes.active[at])
    tpot_s = one.pool.step.a_ms / 1000 / 0.5
    quantiles = {"p50": 0.2, "p90": 0.4, "p99": 0.9}
    return Observation(
        service=one.name,
        at_s=end_s - 60.0 * (len(minutes.seen) - 1 - at),
        interval_s=15.0,
        valid=True,
        replicas_seen=count,
        replicas_expected=count,
        arrivals_per_s=rate,
        rejected_per_s=0.0,
        input_tokens_per_s=rate * traffic.input_tokens,
        cached_tokens_per_s=rate * traffic.input_tokens * traffic.cached_share,
        output_tokens_per_s=rate * traffic.output_tokens,
        completed_per_s=rate,
        mean_input_tokens=traffic.input_tokens * (1 - traffic.cached_share),
        mean_output_tokens=traffic.output_tokens,
        running=rate * traffic.output_tokens * tpot_s,
        waiting=0.0,
        held=0.0,
        kv_usage_ratio=0.4,
        kv_usage_max_ratio=0.6,
        ttft_s=quantiles,
        tpot_s={name: tpot_s * (1 + value) for name, value in quantiles.items()},
    )


def told(service: str, erlangs: float, now_s: float) -> Forecast:
    """A forecast that grows with its horizon."""
    values = tuple(tuple(erlangs * spread * (1 + h / 20_000) for spread in SPREADS) for h in HORIZONS_S)
    shares = (("trees", 0.6), ("last value", 0.3), ("day", 0.1))
    return Forecast(service, now_s, HORIZONS_S, TAUS, values, "mixture", 14 * 86400.0, shares)


# --- the store ---------------------------------------------------------------------------------------------------


def write_decisions(part: Parts, ledger: SqlLedger, end_s: float) -> int:
    """Every turn of the last eight days, and decisions between; how many."""
    one, _, minutes = part
    last = len(minutes.active) - 1
    made, given = decided(part, last, end_s)
    records: list[Record] = []
    for at in chosen(minutes):
        now_s, count = end_s - 60.0 * (last - at), int(minutes.active[at])
        plan = Plan(tuple(replace(target, active=count) for target in made.plan.targets))
        state = replace(made.next_state, counts=replace(made.next_state.counts, active=count))
        now = replace(made, id=f"{one.name}-{now_s:.0f}", at_s=now_s, plan=plan, next_state=state)
        forecast = {**given["forecast"], "made_at_s": now_s}
        records.append(Record(now, {**given, "now_s": now_s, "forecast": forecast}, 1))
    for first in range(0, len(records), CHUNK):
        ledger.record_many(records[first : first + CHUNK])
    return len(records)


def chosen(minutes: Minutes) -> list[int]:
    """Minutes of which the ledger has the decision."""
    count = len(minutes.active)
    first = max(1, count - EIGHT_DAYS)
    turns = first + np.flatnonzero(np.diff(minutes.active[first - 1 :]))
    often, seldom = range(max(first, count - DAY), count, OFTEN), range(first, count, SELDOM)
    return sorted({*turns.tolist(), *often, *seldom, count - 1})


def write_changes(parts: list[Parts], policies: PolicyStore, audit: AuditLog, end_s: float) -> None:
    """A dozen versions of each policy, and an audit of many changes."""
    for one, _, _ in parts:
        policies.seed(one.name, one.policy, end_s - 30 * 86400.0)
        for version in range(1, VERSIONS):
            changed = one.policy.model_copy(update={"stale_after_s": 60.0 + version})
            policies.write(one.name, changed, version, "ada", "tuned", end_s - 86400.0 * (VERSIONS - version))
    for number in range(CHANGES):
        name = parts[number % len(parts)][0].name
        at_s = end_s - 86400.0 * 30 * (1 - number / CHANGES)
        audit.add(Change("override.make", name, "ada", "a quiet night", at_s, None, {"kind": "freeze", "for_s": 3600}))


# --- the memory --------------------------------------------------------------------------------------------------


def memory_of(parts: list[Parts], end_s: float) -> Memory:
    """The daemon's memory at the month's end."""
    memory = Memory(now_s=end_s, ticked_at_s=end_s)
    for part in parts:
        memory.services[part[0].name] = service_of(part, end_s)
    replicas = [replica for known in memory.services.values() for replica in known.replicas]
    memory.gpu_samples = tuple(samples_of(replicas, end_s))
    memory.gpus = gpu_use(memory.gpu_samples, {gpu for replica in replicas for gpu in replica.gpus})
    memory.nodes = tuple(sorted({replica.node for replica in replicas}))
    memory.recent = {}
    return memory


def service_of(part: Parts, end_s: float) -> ServiceMemory:
    """One service of it."""
    one, _, minutes = part
    last = len(minutes.active) - 1
    made, _ = decided(part, last, end_s)
    known = ServiceMemory(one.pool, made.next_state, one.policy, VERSIONS)
    known.observation, known.decision = observed(part, last, end_s), made
    known.forecast, known.last_valid_s = told(one.name, float(minutes.erlangs[last]), end_s), end_s
    known.replicas = tuple(replicas_of(part, end_s))
    known.samples = {r.name: ReplicaSample(r.name, end_s, 12.0, 0.0, 0.4) for r in known.replicas if r.serving}
    for at in range(last - 60, last):
        known.remember(dict.fromkeys(SIGNALS, float(minutes.erlangs[at])) | {"attainment": 0.999})
    return known


def replicas_of(part: Parts, end_s: float) -> Iterator[Replica]:
    """Its replicas, on GPUs of their own."""
    one, _, minutes = part
    for name, tier, transition in TIERS:
        for index in range(int(getattr(minutes, name)[-1])):
            gpus = tuple(f"GPU-{one.name}-{name}-{index}-{gpu}" for gpu in range(one.pool.gpus_per_replica))
            node, place = f"node-{one.pool.gpu.lower()}-{index % 40}", f"{one.name}-{name}-{index}"
            yield Replica(place, one.name, one.pool.name, tier, transition, end_s - 600.0, "", node, gpus)


def samples_of(replicas: list[Replica], end_s: float) -> Iterator[GpuSample]:
    """What exporters would tell of their GPUs."""
    used, free = 60e9, 20e9
    for replica in replicas:
        for index, gpu in enumerate(replica.gpus):
            busy = 0.7 if replica.serving else 0.0
            told = (busy, busy, busy / 2, busy / 2, used, free, 100 + 400 * busy, 1e9, 55.0, 0, 0.0, 0.0)
            yield GpuSample(gpu, replica.node, end_s, str(index), replica.pool, "", None, *told)
