"""The capacity part of a report: GPUs by type over time, the months to come, the quota, and what to commit to.

Rests on what was metered alone: an hour's GPUs are the mean that was held in it, over the part of it that was metered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from app.reports.books import Books, Statement
from autoscaler.cost.account import Terms
from autoscaler.cost.book import Purchase as Bought
from autoscaler.cost.outlook import Outlook, Purchase, outlook, purchase
from autoscaler.planning.prices import Offer, shipped
from runtime.pool import Pool

LEAST_METERED = 0.5
"""An hour of which less was metered does not tell how many GPUs were held in it."""
UNPLACED = "as configured"


@dataclass(frozen=True, slots=True)
class Capacity:
    """One GPU type: ``hourly`` GPUs held, what is to come, and what to buy (None where nothing can be compared)."""

    gpu: str
    hourly: Mapping[int, float]
    outlook: Outlook | None
    purchase: Purchase | None


def capacity(books: Books, made: Statement) -> list[Capacity]:
    """By GPU type, the most used first."""
    gpus = {pool.name: pool.gpu for own in books.services.values() for pool in own} | dict(books.racks)
    found = [_of_gpu(books, made, gpu, hourly) for gpu, hourly in _hourly(made, gpus).items()]
    return sorted(found, key=lambda one: -sum(one.hourly.values()))


def _of_gpu(books: Books, made: Statement, gpu: str, hourly: Mapping[int, float]) -> Capacity:
    ahead = outlook(gpu, hourly, books.stock.get(gpu))
    pools = [pool for own in books.services.values() for pool in own if pool.gpu == gpu]
    offer = offer_of(books.terms, pools, made.end_s) if pools else None
    if ahead is None or offer is None or (offer.reserved_usd is None and offer.spot_usd is None):
        return Capacity(gpu, hourly, ahead, None)
    return Capacity(gpu, hourly, ahead, purchase(gpu, hourly, offer, _firm(made, pools), ahead))


def _hourly(made: Statement, gpus: Mapping[str, str]) -> dict[str, dict[int, float]]:
    lines = made.lines
    metered_ms = lines.longest_ms()
    known = np.flatnonzero(metered_ms >= LEAST_METERED * 3_600_000)
    held = lines.held_by_hour(lambda pair: gpus.get(pair[1]))
    hours = lines.hours[known].tolist()
    return {
        gpu: dict(zip(hours, (ms[known] / metered_ms[known]).tolist(), strict=True))
        for gpu, ms in held.items()
        if gpu is not None and ms[known].any()
    }


def _firm(made: Statement, pools: list[Pool]) -> float:
    """Share of the GPU time that the load fills at saturation; all of it where the load was not seen."""
    names = {pool.name for pool in pools}
    busy, seen = made.lines.busy_and_seen_ms(lambda pair: pair[1] in names)
    return min(1.0, busy / seen) if seen else 1.0


def offer_of(terms: Terms, pools: list[Pool], at_s: float) -> Offer | None:
    """What these pools' GPUs cost: of the book where one is placed, and what was committed to already; else their own
    price on demand, and of the shipped list the lowest reserved price below that, whose provider is named.
    """
    for pool in pools:
        placement = terms.placements.get(pool.name)
        if placement is None:
            continue
        told = {how: terms.book.at(placement.sku, how, at_s) for how in Bought}
        on_demand, spot, reserved = (told[how] for how in (Bought.ON_DEMAND, Bought.SPOT, Bought.RESERVED))
        agreed = [one.usd_per_gpu_hour for one in terms.commitments if one.sku == placement.sku]
        listed = [reserved.usd_per_gpu_hour] if reserved else []
        if on_demand is not None:
            return Offer(
                pool.gpu,
                placement.sku.provider,
                placement.sku.sku,
                placement.sku.region,
                on_demand.usd_per_gpu_hour,
                spot.usd_per_gpu_hour if spot else None,
                min([*agreed, *listed], default=None),
                on_demand.since.isoformat(),
                on_demand.source,
            )
    own = max(pool.price_usd_per_gpu_hour for pool in pools)
    date = datetime.fromtimestamp(at_s, UTC).date().isoformat()
    mine = Offer(pools[0].gpu, UNPLACED, "", "", own, None, None, date, "price_usd_per_gpu_hour")
    lower = [one for one in shipped() if one.gpu == mine.gpu and one.reserved_usd and one.reserved_usd < own]
    if not lower:
        return mine
    best = min(lower, key=lambda one: one.reserved_usd or own)
    return replace(mine, provider=f"{UNPLACED}; reserved at {best.words}", reserved_usd=best.reserved_usd)
