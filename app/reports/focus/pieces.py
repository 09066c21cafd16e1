"""The charges of a span as the rows FOCUS wants: what a commitment covers in part is cut, purchases stand beside.

A discount must apply to the whole of a row, and what a commitment covers is paid by its purchase: so each hour of a
commitment is one purchase, which is billed, and pieces that used it or were left unused, which are not. What the pieces
cost is what the account says, to the nano-dollar, and the purchases of a commitment sum to what its pieces cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from app.reports.books import Charges
from autoscaler.cost.account import NOBODY, PARTS, Account, Terms
from autoscaler.cost.book import Purchase, Sku
from autoscaler.cost.commitments import Commitment, Covered, cover
from autoscaler.cost.meter import HOUR_S
from autoscaler.cost.money import Ints, charge, micro_usd, shared

ACTIVE = PARTS.index("active")
NO_PARTS = (0,) * len(PARTS)


class Kind(Enum):
    """What a piece is: GPU time at its own price, covered by a commitment, its unused part, its purchase, or other."""

    OWN = auto()
    USED = auto()
    UNUSED = auto()
    BOUGHT = auto()
    PLATFORM = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """One row: what it costs by ``parts``, nano-USD, and before commitments (``listed_nano``); GPU time and its price.

    ``bought_nano`` is what a purchase is billed; ``marginal_nano`` is None where the load was not seen.
    """

    kind: Kind
    hour_s: int
    service: str
    pool: str
    gpu_ms: int
    micro_usd: int
    listed_nano: int
    parts: tuple[int, ...]
    marginal_nano: int | None = None
    commitment: Commitment | None = None
    bought_nano: int = 0

    @property
    def nano(self) -> int:
        """What it costs."""
        return sum(self.parts)

    @property
    def billed_nano(self) -> int:
        """What is asked for it: nothing where a commitment pays."""
        return self.nano if self.kind in (Kind.OWN, Kind.PLATFORM) else self.bought_nano


def pieces(made: Charges, terms: Terms) -> list[Piece]:
    """Every row of a span: GPU time, what was left unused, the platform, and purchases."""
    lines = made.lines
    unused, platform = (lines.parts[:, PARTS.index(part)] > 0 for part in ("unused", "platform"))
    span = np.arange(made.start_s, made.end_s, HOUR_S, dtype=np.int64)
    found = [
        *_metered(lines.where(~(unused | platform)), terms, span),
        *_unused(lines.where(unused), terms),
        *_platform(lines.where(platform), terms),
    ]
    return [*found, *_bought(found, terms, span)]


def _metered(lines: Account, terms: Terms, span: Ints) -> Iterator[Piece]:
    """Lines of GPU time, each cut where commitments cover it; they cover what they do in the account."""
    covered = cover(terms.commitments, span, lines.hour_s, _coverable(lines.pool, terms), lines.charged_ms)
    listed = [charge(one.used_ms, lines.micro_usd) for one in covered]
    for at in range(len(lines.pool)):
        used = [
            _Use(one.commitment, int(one.used_ms[at]), _paid(one, at), int(nano[at]))
            for one, nano in zip(covered, listed, strict=True)
            if one.used_ms[at]
        ]
        yield from _cut(_whole(lines, at), used)


def _coverable(pools: Sequence[str], terms: Terms) -> list[Sku | None]:
    """What each pool is rented as where a commitment may cover it: spot is not covered."""
    placed = {name: one.sku for name, one in terms.placements.items() if one.purchase is not Purchase.SPOT}
    return [placed.get(pool) for pool in pools]


@dataclass(frozen=True, slots=True)
class _Use:
    """What a commitment covers of a line: GPU time, what it pays for it, and what it would have cost."""

    commitment: Commitment
    gpu_ms: int
    paid_nano: int
    listed_nano: int


def _paid(one: Covered, at: int) -> int:
    return int(charge(one.used_ms[at : at + 1], np.full(1, one.rate, dtype=np.int64))[0])


def _whole(lines: Account, at: int) -> Piece:
    seen = int(lines.seen_nano[at]) > 0
    return Piece(
        Kind.OWN,
        int(lines.hour_s[at]),
        lines.service[at],
        lines.pool[at],
        int(lines.charged_ms[at]),
        int(lines.micro_usd[at]),
        int(lines.list_nano[at]),
        tuple(lines.parts[at].tolist()),
        int(lines.marginal_nano[at]) if seen else None,
    )


def _cut(whole: Piece, used: Sequence[_Use]) -> list[Piece]:
    """A piece for each commitment and one for what is left, if any; every number of theirs sums to the whole's."""
    if not used:
        return [whole]
    left_ms = whole.gpu_ms - sum(use.gpu_ms for use in used)
    times = [*(use.gpu_ms for use in used), *([left_ms] if left_ms else [])]
    costs = _taken(whole.nano, [use.paid_nano for use in used], len(times))
    listed = _taken(whole.listed_nano, [use.listed_nano for use in used], len(times))
    parts = _parts(whole.parts, costs)
    marginal = shared(whole.marginal_nano or 0, [part[ACTIVE] for part in parts])
    found = [
        replace(
            whole,
            gpu_ms=times[at],
            listed_nano=listed[at],
            parts=parts[at],
            marginal_nano=None if whole.marginal_nano is None else marginal[at],
        )
        for at in range(len(times))
    ]
    covered = [
        replace(piece, kind=Kind.USED, commitment=use.commitment) for piece, use in zip(found, used, strict=False)
    ]
    return [*covered, *found[len(used) :]]


def _taken(total: int, wanted: Sequence[int], count: int) -> list[int]:
    """``total`` in ``count`` parts: each takes what it wants of what is left, and the last one what remains."""
    taken: list[int] = []
    for amount in wanted[: count - 1]:
        taken.append(min(amount, total - sum(taken)))
    return [*taken, total - sum(taken)]


def _parts(parts: Sequence[int], costs: Sequence[int]) -> list[tuple[int, ...]]:
    """``parts`` among pieces that cost so much, in proportion, so that both sums hold."""
    left, found = list(parts), []
    for cost in costs[:-1]:
        own = shared(cost, left)
        left = [all_of_it - taken for all_of_it, taken in zip(left, own, strict=True)]
        found.append(tuple(own))
    return [*found, tuple(left)]


def _unused(lines: Account, terms: Terms) -> Iterator[Piece]:
    """Lines of commitments' unused time, at the committed price."""
    named = {one.name: one for one in reversed(terms.commitments)}
    rates = np.array([micro_usd(named[pool].usd_per_gpu_hour) for pool in lines.pool], dtype=np.int64)
    listed = charge(lines.charged_ms, rates)
    for at, pool in enumerate(lines.pool):
        whole = _whole(lines, at)
        yield replace(
            whole, kind=Kind.UNUSED, micro_usd=int(rates[at]), listed_nano=int(listed[at]), commitment=named[pool]
        )


def _platform(lines: Account, terms: Terms) -> Iterator[Piece]:
    price = micro_usd(terms.platform_usd_per_hour)
    for at in range(len(lines.pool)):
        yield replace(_whole(lines, at), kind=Kind.PLATFORM, micro_usd=price)


def _bought(found: Sequence[Piece], terms: Terms, span: Ints) -> Iterator[Piece]:
    """What each commitment is billed for each hour that it runs: exactly what its pieces of that hour cost."""
    cost: dict[tuple[str, int], int] = {}
    for piece in found:
        if piece.commitment is not None:
            key = piece.commitment.name, piece.hour_s
            cost[key] = cost.get(key, 0) + piece.nano
    for name in dict.fromkeys(one.name for one in terms.commitments):
        for hour in span.tolist():
            running = [one for one in terms.commitments if one.name == name and one.covers(hour)]
            gpu_ms = sum(one.ms_per_hour for one in running)
            if gpu_ms:
                yield _purchase(running[0], hour, gpu_ms, cost.get((name, hour), 0))


def _purchase(commitment: Commitment, hour: int, gpu_ms: int, nano: int) -> Piece:
    rate = micro_usd(commitment.usd_per_gpu_hour)
    listed = int(charge(np.array([gpu_ms]), np.array([rate]))[0])
    return Piece(
        Kind.BOUGHT,
        hour,
        NOBODY,
        commitment.name,
        gpu_ms,
        rate,
        listed,
        NO_PARTS,
        commitment=commitment,
        bought_nano=nano,
    )
