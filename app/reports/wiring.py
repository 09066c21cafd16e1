"""From the fleet file to books and reports: the one place that knows which part of it stands behind which word."""

from __future__ import annotations

import time

from app.daemon.leading import acts
from app.daemon.memory import clock
from app.daemon.parts import Daemon
from app.errors import UserError
from app.reports.books import Books, books_of
from app.reports.deliveries import Deliveries
from app.reports.schedule import Scheduler
from app.settings import Settings
from autoscaler.cost.book import PriceError
from autoscaler.cost.store import CostStore
from collectors.history import History
from collectors.store import open_store


def books_for(settings: Settings, store: CostStore, history: History) -> Books:
    """Books of a fleet file over an open store; raises ``UserError`` where prices or names in it cannot be used."""
    services = {one.name: (one.pool, *one.more_pools) for one in settings.services}
    stock = {gpu: nodes.nodes * nodes.gpus_per_node for gpu, nodes in settings.market.gpus.items()}
    racks = {rack.name: rack.gpu for rack in settings.racks}
    try:
        return books_of(store, history, services, settings.cost, stock, racks)
    except PriceError as error:
        raise UserError(f"cost: {error}") from None


def scheduler_for(settings: Settings, daemon: Daemon) -> Scheduler:
    """What sends the fleet file's reports, at the daemon's time and only while it leads."""
    assert daemon.costs is not None, "wired"
    return Scheduler(
        reports=tuple(settings.reports),
        books=books_for(settings, daemon.costs, daemon.history),
        deliveries=Deliveries(open_store(settings.store.url)),
        now=lambda: clock(daemon.memory, time.monotonic()),
        leads=lambda: acts(daemon),
        policies=lambda: {name: known.policy for name, known in daemon.memory.services.items()},
    )
