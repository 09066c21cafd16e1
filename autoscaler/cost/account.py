"""The account of a span: every dollar that was paid, charged to a service, a pool, an hour and a part.

    whole = Σ metered GPU time × its price + Σ commitments' unused time × their rate + the platform's own cost

and the lines of an account sum to the whole exactly, in any grouping, because they are whole nano-USD from the start.
Parts: ``active`` is what was in rotation, ``standby``, ``asleep`` and ``warm_node`` what waited beside it, ``moving``
what was starting, draining or broken, ``shared`` idle GPUs of racks by the risk they cover, ``unused`` reserved time
that nobody used, and ``platform`` what runs besides. Of ``active``, *marginal* is what would have been enough at
saturation; the rest is headroom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.cost.book import PriceBook, Purchase, Sku, shipped_book
from autoscaler.cost.commitments import Commitment, Covered, cover
from autoscaler.cost.meter import HOUR_S, STATES
from autoscaler.cost.money import Ints, charge, micro_usd, shared_rows
from autoscaler.cost.store import Hours

PARTS = (*STATES, "unused", "platform")
NOBODY = "_fleet"
"""Who pays for what no service used: the fleet as a whole."""
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Placement:
    """What a pool is bought as."""

    sku: Sku
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class Terms:
    """What hours cost: prices of pools that the book knows (others have the price they were metered with),
    commitments, and USD per hour that the platform itself takes.
    """

    book: PriceBook = field(default_factory=shipped_book)
    placements: Mapping[str, Placement] = field(default_factory=dict)
    commitments: tuple[Commitment, ...] = ()
    platform_usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Sums:
    """Some lines of an account together: nano-USD by ``PARTS``, and the other columns."""

    parts: tuple[int, ...]
    list_nano: int
    charged_ms: int
    marginal_nano: int
    seen_nano: int

    @property
    def nano(self) -> int:
        """All parts."""
        return sum(self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """Lines as columns of shape (n,): ``parts`` (n, ``PARTS``) nano-USD; ``list_nano`` at list prices, that is without
    commitments; ``charged_ms`` the GPU time behind a line; ``seen_nano`` the active part whose load was seen, of which
    ``marginal_nano`` would have been enough.
    """

    hour_s: Ints
    service: tuple[str, ...]
    pool: tuple[str, ...]
    parts: Ints
    list_nano: Ints
    charged_ms: Ints
    micro_usd: Ints
    marginal_nano: Ints
    seen_nano: Ints

    @property
    def total_nano(self) -> int:
        """The whole."""
        return int(self.parts.sum())

    @property
    def whole(self) -> Sums:
        """All lines together."""
        return self.summed(lambda hour: None).get(None, Sums((0,) * len(PARTS), 0, 0, 0, 0))

    def summed(self, key: str | Callable[[int], object]) -> dict[object, Sums]:
        """Sums by ``service``, ``pool``, ``hour_s`` or what a function makes of the hour's start, as they come."""
        names = self._names(key)
        places: dict[object, int] = {name: place for place, name in enumerate(dict.fromkeys(names))}
        rows = np.column_stack([self.parts, self.list_nano, self.charged_ms, self.marginal_nano, self.seen_nano])
        sums = np.zeros((len(places), rows.shape[1]), dtype=np.int64)
        np.add.at(sums, np.array([places[name] for name in names], dtype=np.int64), rows)
        count = len(PARTS)
        return {name: Sums(tuple(row[:count]), *row[count:]) for name, row in zip(places, sums.tolist(), strict=True)}

    def _names(self, key: str | Callable[[int], object]) -> Sequence[object]:
        if callable(key):
            made = {hour: key(hour) for hour in np.unique(self.hour_s).tolist()}
            return [made[hour] for hour in self.hour_s.tolist()]
        column = getattr(self, key)
        names: Sequence[object] = column.tolist() if isinstance(column, np.ndarray) else column
        return names

    def of(self, service: str) -> Account:
        """The lines of one service."""
        return self.where(np.array([name == service for name in self.service], dtype=bool))

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Account:
        """The lines where ``chosen`` (n,) is true."""
        rows = np.flatnonzero(chosen).tolist()
        return Account(
            self.hour_s[rows],
            tuple(self.service[row] for row in rows),
            tuple(self.pool[row] for row in rows),
            *(getattr(self, name)[rows] for name in NUMBERS),
        )


NUMBERS = ("parts", "list_nano", "charged_ms", "micro_usd", "marginal_nano", "seen_nano")


def account(hours: Hours, terms: Terms, start_s: float, end_s: float) -> Account:
    """What the span cost; ``hours`` are those that begin in ``start_s <= hour < end_s``."""
    span = np.arange(first_hour(start_s), end_s, HOUR_S, dtype=np.int64)
    prices = priced(hours, terms)
    direct, covered = _direct(hours, prices, terms, span)
    lines = [direct, *(_unused(direct, one, span) for one in covered)]
    if terms.platform_usd_per_hour:
        lines.append(_platform(joined(lines), span, micro_usd(terms.platform_usd_per_hour)))
    return joined(lines)


def first_hour(start_s: float) -> int:
    """The first hour that begins at or after ``start_s``."""
    return int(-(-start_s // HOUR_S) * HOUR_S)


def priced(hours: Hours, terms: Terms) -> Ints:
    """Micro-USD per GPU-hour of each row: the book's in that hour, else the one it was metered with."""
    prices = hours.micro_usd.copy()
    for pool, placement in terms.placements.items():
        rows = np.array([name == pool for name in hours.pool], dtype=bool)
        for price in terms.book.dated(placement.sku, placement.purchase):
            prices[rows & (hours.hour_s >= price.from_s)] = micro_usd(price.usd_per_gpu_hour)
    return prices


def _direct(hours: Hours, prices: Ints, terms: Terms, span: Ints) -> tuple[Account, list[Covered]]:
    """What metered GPU time costs, commitments' rates put in, and what commitments cover."""
    cells = charge(hours.charged_ms, prices[:, None])
    listed, charged_ms = cells.sum(axis=1), hours.charged_ms.sum(axis=1)
    covered = cover(terms.commitments, span, hours.hour_s, _coverable(hours, terms), charged_ms)
    for one in covered:
        cells += _repriced(hours.charged_ms, one.used_ms, prices, one.rate)
    active, active_ms, seen_ms = cells[:, 0], hours.charged_ms[:, 0], hours.seen_ms
    # By shares and not by products of whole numbers: nano-USD times milliseconds do not fit into 64 bits.
    seen = np.round(active * (seen_ms / np.maximum(active_ms, 1))).astype(np.int64)
    marginal = np.round(seen * (hours.busy_ms / np.maximum(seen_ms, 1))).astype(np.int64)
    parts = np.pad(cells, ((0, 0), (0, len(PARTS) - len(STATES))))
    numbers = parts, listed, charged_ms, prices, marginal, seen
    return Account(hours.hour_s, hours.service, hours.pool, *numbers), covered


def _coverable(hours: Hours, terms: Terms) -> list[Sku | None]:
    placed = {
        pool: placement.sku for pool, placement in terms.placements.items() if placement.purchase is not Purchase.SPOT
    }
    return [placed.get(pool) for pool in hours.pool]


def _repriced(charged_ms: Ints, used_ms: Ints, prices: Ints, rate: int) -> Ints:
    """What the committed rate changes of each cell (n, states): covered time costs exactly ``used_ms × rate``."""
    change = np.zeros_like(charged_ms)
    rows = np.flatnonzero(used_ms)
    if len(rows):
        listed = shared_rows(used_ms[rows], charged_ms[rows])
        paid = shared_rows(charge(used_ms[rows], np.full(len(rows), rate)), charged_ms[rows])
        change[rows] = paid - charge(listed, prices[rows, None])
    return change


def _unused(direct: Account, covered: Covered, span: Ints) -> Account:
    """Lines for a commitment's unused time, by hour among those who used it."""
    costs = charge(covered.unused_ms, np.full(len(span), covered.rate, dtype=np.int64))
    return _spread(direct, covered.used_ms, span, costs, "unused", covered.commitment.name, covered.unused_ms)


def _platform(direct: Account, span: Ints, micro: int) -> Account:
    """Lines for what the platform takes, by hour among services as they cost."""
    costs = np.full(len(span), micro * 1000, dtype=np.int64)
    return _spread(direct, direct.parts.sum(axis=1), span, costs, "platform", PLATFORM, np.zeros_like(costs))


def _spread(direct: Account, weight: Ints, span: Ints, costs: Ints, part: str, pool: str, gpu_ms: Ints) -> Account:
    """Costs by hour, (hours,), as lines of the services with weight in it, or of nobody."""
    names = [*dict.fromkeys(direct.service), NOBODY]
    place = {name: index for index, name in enumerate(names)}
    weights = np.zeros((len(span), len(names)), dtype=np.int64)
    who = np.array([place[name] for name in direct.service], dtype=np.int64)
    np.add.at(weights, (np.searchsorted(span, direct.hour_s), who), np.maximum(weight, 0))
    weights[weights.sum(axis=1) == 0, place[NOBODY]] = 1
    nano, ms = shared_rows(costs, weights), shared_rows(gpu_ms, weights)
    hours, services = np.nonzero(nano)
    return _of_lines(
        span[hours], [names[at] for at in services], nano[hours, services], ms[hours, services], part, pool
    )


def _of_lines(hours: Ints, services: Sequence[str], nano: Ints, gpu_ms: Ints, part: str, pool: str) -> Account:
    nothing = np.zeros(len(nano), dtype=np.int64)
    parts = np.zeros((len(nano), len(PARTS)), dtype=np.int64)
    parts[:, PARTS.index(part)] = nano
    rates = np.where(gpu_ms > 0, nano * 3600 // np.maximum(gpu_ms, 1), 0)
    listed = nano if part == "platform" else nothing
    return Account(hours, tuple(services), (pool,) * len(nano), parts, listed, gpu_ms, rates, nothing, nothing)


def joined(lines: Sequence[Account]) -> Account:
    """Several accounts in one."""
    return Account(
        np.concatenate([one.hour_s for one in lines]),
        tuple(name for one in lines for name in one.service),
        tuple(name for one in lines for name in one.pool),
        *(np.concatenate([getattr(one, name) for one in lines]) for name in NUMBERS),
    )
