"""From settings to parts: the one place that knows which class stands behind which word of the fleet file."""

from __future__ import annotations

import time

from app.access.tokens import TokenStore
from app.certificates import ending
from app.daemon.leading import Alone
from app.daemon.memory import Memory, clock
from app.daemon.parts import Configured, Daemon, Shared
from app.errors import UserError
from app.fleets import clock_of, fleet_of, leader_of, resources_of
from app.kubernetes.fleet import ClusterFleet
from app.settings import Settings, SourceSettings
from autoscaler.cost.store import CostStore
from autoscaler.store.audit import AuditLog
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.models import ModelStore
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.proposals import Approvals, ProposalStore
from autoscaler.store.rack_ledger import RackLedger
from autoscaler.store.trials import Trials
from autoscaler.tuning.store import TuningStore
from collectors.history import History
from collectors.prometheus import PrometheusSource, SourceUnavailable
from collectors.scrape import DirectSource
from collectors.source import Source
from collectors.store import StoreUnavailable, open_store

PROMETHEUS_MAX_AGE_INTERVALS = 3.0
"""Samples that Prometheus took longer ago than this many of our intervals are stale."""


def wire(settings: Settings) -> Daemon:
    """A daemon that has not started; raises ``UserError`` where the store cannot be opened."""
    try:
        engine = open_store(settings.store.url)
    except (StoreUnavailable, ValueError) as error:
        raise UserError(f"store.url: {error}") from None
    tls, leader = settings.api.tls, leader_of(settings)
    ends = ending(tls.cert_file, "api.tls.cert_file") if tls else None
    memory = Memory(interval_s=settings.source.interval_s, certificate_ends_s=ends)
    fleet = fleet_of(settings, leader.leads)
    return Daemon(
        leader=leader,
        acting=isinstance(leader, Alone),
        memory=memory,
        resources=resources_of(settings, fleet) if isinstance(fleet, ClusterFleet) else None,
        fleet=fleet,
        source=source_of(settings.source, memory),
        clock=clock_of(settings),
        history=History(engine),
        ledger=SqlLedger(engine),
        rack_ledger=RackLedger(engine),
        policies=PolicyStore(engine),
        overrides=OverrideStore(engine),
        models=ModelStore(engine),
        tunings=TuningStore(engine),
        trials=Trials(engine),
        costs=CostStore(engine),
        tokens=TokenStore(engine),
        approvals=Approvals(settings.approval.rule(), ProposalStore(engine)),
        audit=AuditLog(engine),
        configured=tuple(Configured(one.pool, one.policy, one.more_pools) for one in settings.services),
        shared=tuple(Shared(one.rack(), one.policy, tuple(settings.services_in(one.name))) for one in settings.racks),
        limits=settings.market.limits(),
        interval_s=settings.source.interval_s,
        gateway_url=settings.source.gateway_url,
    )


async def check_source(source: Source) -> None:
    """Raise ``UserError`` where the settings point at a Prometheus that does not answer."""
    if isinstance(source, PrometheusSource):
        try:
            await source.check()
        except SourceUnavailable as error:
            raise UserError(f"source.url: {error}") from None


def from_wall(memory: Memory, wall_s: float) -> float:
    """The fleet's time at a moment of the machine's UTC clock."""
    return clock(memory, wall_s - time.time() + time.monotonic())


def source_of(source: SourceSettings, memory: Memory) -> Source:
    """What observes them. Prometheus stamps its samples with the machine's time, which becomes the fleet's."""
    if source.kind == "prometheus" and source.url:
        max_age_s = PROMETHEUS_MAX_AGE_INTERVALS * source.interval_s
        return PrometheusSource(source.url, max_age_s=max_age_s, clock=lambda at_s: from_wall(memory, at_s))
    return DirectSource(source.timeout_s, source.concurrency)
