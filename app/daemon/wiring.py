"""From settings to parts: the one place that knows which class stands behind which word of the fleet file."""

from __future__ import annotations

from app.daemon.parts import Configured, Daemon, HttpFleet
from app.errors import UserError
from app.settings import Settings, SourceSettings
from autoscaler.ledger import SqlLedger
from autoscaler.policies import PolicyStore
from collectors.history import History
from collectors.scrape import DirectSource
from collectors.source import Source
from collectors.store import StoreUnavailable, open_store
from runtime.simulated.client import SimulatedClock, SimulatedFleet


def wire(settings: Settings) -> Daemon:
    """A daemon that has not started; raises ``UserError`` where the store cannot be opened."""
    try:
        engine = open_store(settings.store.url)
    except (StoreUnavailable, ValueError) as error:
        raise UserError(f"store.url: {error}") from None
    return Daemon(
        fleet=fleet_of(settings),
        source=source_of(settings.source),
        clock=SimulatedClock(settings.fleet.url),
        history=History(engine),
        ledger=SqlLedger(engine),
        policies=PolicyStore(engine),
        configured=tuple(Configured(service.pool, service.policy) for service in settings.services),
        interval_s=settings.source.interval_s,
    )


def fleet_of(settings: Settings) -> HttpFleet:
    """What moves the replicas."""
    return SimulatedFleet(settings.fleet.url)


def source_of(source: SourceSettings) -> Source:
    """What observes them."""
    if source.kind == "prometheus" and source.url:
        from collectors.prometheus import PrometheusSource

        return PrometheusSource(source.url)
    return DirectSource(source.timeout_s, source.concurrency)
