"""The daemon's memory as the API shows it. Pure: the same memory gives the same payload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from app.api.attention import attention, staleness
from app.api.schemas.fleet import ClockInfo, FleetView, GpuCounts
from app.api.schemas.services import ReplicaCounts, ReplicaView, ServiceRow
from app.daemon.memory import Memory, ServiceMemory, known_mean, spark
from app.daemon.signals import state_of
from autoscaler.cost import hourly_of
from runtime.replica import Replica, Tier

FLEET_SPARKS = (
    "attainment",
    "usd_per_million_tokens",
    "usd_per_hour",
    "gpus_busy",
    "gpus_idle_held",
    "gpus_idle",
    "replicas_active",
    "replicas_desired",
    "standby_ready",
    "asleep",
    "risk_of_shortfall",
)


def replica_counts(service: ServiceMemory) -> ReplicaCounts:
    """Replicas by state beside what is wanted."""
    counts = Counter(map(state_of, service.replicas))
    desired = service.decision.plan.total if service.decision else service.control.desired
    return ReplicaCounts(
        **{state: counts[state] for state in ReplicaCounts.model_fields if not state.startswith("desired")},
        desired_active=desired.active if desired else None,
        desired_standby=desired.standby if desired else None,
        desired_asleep=desired.asleep if desired else None,
    )


def service_row(name: str, service: ServiceMemory, now_s: float) -> ServiceRow:
    """One service as a line of the fleet table."""
    signals, policy, decision = service.signals, service.policy, service.decision
    age_s, stale = staleness(service, now_s)
    return ServiceRow(
        service=name,
        mode=policy.mode,
        replicas=replica_counts(service),
        min_replicas=policy.replicas.min,
        max_replicas=policy.replicas.max,
        attainment=known_mean(spark(service.recent, "attainment")),
        usd_per_million_tokens=known_mean(spark(service.recent, "usd_per_million_tokens")),
        usd_per_hour=hourly_of(service.replicas, service.pools).total_usd,
        offered_erlangs=signals.get("offered_erlangs"),
        capacity_erlangs=signals.get("capacity_erlangs"),
        kv_usage_ratio=signals.get("kv_usage_ratio"),
        waiting=signals.get("waiting"),
        ttft_p90_s=signals.get("ttft_p90_s"),
        tpot_p90_s=signals.get("tpot_p90_s"),
        ttft_target_s=policy.slo.ttft_s,
        tpot_target_s=policy.slo.tpot_s,
        risk_of_shortfall=decision.risk_of_shortfall if decision else None,
        data_age_s=age_s,
        stale=stale,
        last_sentence=decision.sentence if decision else None,
        demand_sparkline=spark(service.recent, "offered_erlangs"),
    )


def fleet_view(memory: Memory, now_s: float) -> FleetView:
    """The five-second screen."""
    rows = [service_row(name, service, now_s) for name, service in memory.services.items()]
    ages = [row.data_age_s for row in rows if row.data_age_s is not None]
    desired = [row.replicas.desired_active for row in rows if row.replicas.desired_active is not None]
    use = memory.gpus
    return FleetView(
        clock=ClockInfo(now_s=now_s, speed=memory.speed),
        attainment=lowest(row.attainment for row in rows),
        usd_per_million_tokens=known_mean(spark(memory.recent, "usd_per_million_tokens")),
        usd_per_hour=sum(row.usd_per_hour for row in rows)
        + sum(rack.idle_usd_per_hour or 0.0 for rack in memory.racks.values()),
        gpus=GpuCounts(busy=use.busy, idle_held=use.idle_held, idle=use.idle, faulty=use.faulty)
        if use
        else GpuCounts(busy=0, idle_held=0, idle=0),
        replicas_active=sum(row.replicas.active for row in rows),
        replicas_desired=sum(desired) if desired else None,
        standby_ready=sum(row.replicas.standby for row in rows),
        asleep=sum(row.replicas.asleep for row in rows),
        risk_of_shortfall=highest(row.risk_of_shortfall for row in rows),
        data_age_s=max(ages) if ages else None,
        stale=any(row.stale for row in rows),
        services=rows,
        attention=attention(memory, now_s),
        sparklines={name: spark(memory.recent, name) for name in FLEET_SPARKS},
    )


def lowest(values: Iterable[float | None]) -> float | None:
    """The least of what is known: the worst service speaks for the fleet."""
    return min((value for value in values if value is not None), default=None)


def highest(values: Iterable[float | None]) -> float | None:
    """The greatest of what is known."""
    return max((value for value in values if value is not None), default=None)


def replica_view(replica: Replica, service: ServiceMemory) -> ReplicaView:
    """One replica with what its engine said last."""
    sample = service.samples.get(replica.name)
    return ReplicaView(
        name=replica.name,
        service=replica.service,
        pool=replica.pool,
        tier=Tier(replica.tier).value,
        transition=replica.transition.value if replica.transition else None,
        since_s=replica.since_s,
        node=replica.node,
        gpus=list(replica.gpus),
        running=sample.running if sample else None,
        waiting=sample.waiting if sample else None,
        kv_usage_ratio=sample.kv_usage_ratio if sample else None,
    )
