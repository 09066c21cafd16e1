"""From the fleet file to books: the one place that knows which part of the file stands behind which word."""

from __future__ import annotations

from app.errors import UserError
from app.reports.books import Books, books_of
from app.settings import Settings
from autoscaler.cost.book import PriceError
from autoscaler.cost.store import CostStore
from collectors.history import History


def books_for(settings: Settings, store: CostStore, history: History) -> Books:
    """Books of a fleet file over an open store; raises ``UserError`` where prices or names in it cannot be used."""
    services = {one.name: (one.pool, *one.more_pools) for one in settings.services}
    stock = {gpu: nodes.nodes * nodes.gpus_per_node for gpu, nodes in settings.market.gpus.items()}
    racks = {rack.name: rack.gpu for rack in settings.racks}
    try:
        return books_of(store, history, services, settings.cost, stock, racks)
    except PriceError as error:
        raise UserError(f"cost: {error}") from None
