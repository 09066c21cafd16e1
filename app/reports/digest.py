"""What a span cost and served as arrays over hours, so that every question about it is a sum and no walk over rows.

A month of a hundred services is some 200,000 charges; here it is an array of hours × (service, pool) × columns. Days
that are over do not change any more: ``Days`` reads and accounts each once and keeps it. Sums are of whole nano-USD and
milliseconds, so every grouping sums to the whole exactly, as those of the account do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from autoscaler.cost.account import NOBODY, PARTS, Account, Sums, Terms, account
from autoscaler.cost.meter import Used
from autoscaler.cost.money import Ints
from autoscaler.cost.store import USED_SUMS, WHOLE, CostStore, Hours, TenantUse

HOUR_S, DAY_S = 3600, 86400
SETTLED_S = 2 * HOUR_S
"""A day is over once something was metered so long after it: a tick adds to the hour it ends in, and is short."""

MOST_DAYS = 400
"""Days kept: as many as one question may span."""

MONEY = len(PARTS) + 4
"""Columns of a charge: its parts, at list prices, GPU time, and the marginal and seen parts; nano-USD and ms."""

HELD, BUSY, SEEN = range(MONEY, MONEY + 3)
"""Columns of the metered GPU time behind it, ms."""

MS = USED_SUMS.index("ms")

Floats = npt.NDArray[np.float64]
Pair = tuple[str, str]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, eq=False)
class Digest:
    """``hours`` (h,) are starts, UTC seconds; ``charges`` (h, pairs, ``MONEY`` + 3) of each (service, pool); ``used``
    (h, users, ``USED_SUMS``) of each service; ``tenants`` as metered.
    """

    hours: Ints
    pairs: tuple[Pair, ...]
    users: tuple[str, ...]
    charges: Ints
    used: Floats
    tenants: tuple[TenantUse, ...] = ()

    def of(self, services: Collection[str]) -> Digest:
        """The part of some services; what tenants took is not told apart by service."""
        own = [at for at, (name, _) in enumerate(self.pairs) if name in services]
        mine = [at for at, name in enumerate(self.users) if name in services]
        pairs, users = tuple(self.pairs[at] for at in own), tuple(self.users[at] for at in mine)
        return Digest(self.hours, pairs, users, self.charges[:, own], self.used[:, mine])

    def between(self, start_s: int, end_s: int) -> Digest:
        """The hours in ``start_s <= hour < end_s``."""
        first, last = np.searchsorted(self.hours, (start_s, end_s)).tolist()
        tenants = tuple(use for use in self.tenants if start_s <= use.hour_s < end_s)
        return Digest(
            self.hours[first:last], self.pairs, self.users, self.charges[first:last], self.used[first:last], tenants
        )

    @property
    def total_nano(self) -> int:
        """The whole cost, nano-USD."""
        return int(self.charges[:, :, : len(PARTS)].sum())

    @property
    def whole(self) -> Sums:
        """All charges together."""
        return sums_of(self.charges.sum(axis=(0, 1)))

    def by_pair(self, key: Callable[[Pair], Key]) -> dict[Key, Sums]:
        """Charges by what a function makes of service and pool; pairs without any are left out."""
        return {name: sums_of(row) for name, row in self._paired(key).items() if row[:MONEY].any()}

    def held_ms(self) -> dict[str, int]:
        """GPU-milliseconds that each service's GPUs were held for."""
        return {name: int(row[HELD]) for name, row in self._paired(lambda pair: pair[0]).items() if row[HELD]}

    def held_by_hour(self, key: Callable[[Pair], Key]) -> dict[Key, Ints]:
        """GPU-milliseconds held in each hour, (h,), by what a function makes of service and pool."""
        found: dict[Key, Ints] = {}
        for at, pair in enumerate(self.pairs):
            name, held = key(pair), self.charges[:, at, HELD]
            found[name] = found[name] + held if name in found else held
        return found

    def busy_and_seen_ms(self, own: Callable[[Pair], bool]) -> tuple[int, int]:
        """Of the active time of some charges: what would have been enough, and of what the load was seen."""
        rows = [at for at, pair in enumerate(self.pairs) if own(pair)]
        sums = self.charges[:, rows].sum(axis=(0, 1))
        return int(sums[BUSY]), int(sums[SEEN])

    def by_time(self, step_s: int) -> dict[int, tuple[Sums, Used]]:
        """Charges and what services did by stretches of ``step_s`` from midnight, oldest first, empty ones left out."""
        money, use = self.charges.sum(axis=1), self._served.sum(axis=1)
        stretch = self.hours // step_s * step_s
        first = np.flatnonzero(np.diff(stretch, prepend=-1))
        if not len(first):
            return {}
        money, use = np.add.reduceat(money, first), np.add.reduceat(use, first)
        rows = zip(stretch[first].tolist(), money, use, strict=True)
        return {at: (sums_of(row), used_of(took, at)) for at, row, took in rows if row[:MONEY].any() or took[MS]}

    def nano_by_hour(self) -> Ints:
        """The cost of each hour, (h,) nano-USD."""
        return np.asarray(self.charges[:, :, : len(PARTS)].sum(axis=(1, 2)), dtype=np.int64)

    def longest_ms(self) -> Floats:
        """For how long each hour was metered, (h,): the longest of any service, ms."""
        return np.asarray(self.used[:, :, MS].max(axis=1, initial=0.0), dtype=np.float64)

    def tokens_by_hour(self) -> Floats:
        """Prompt and answer tokens of each hour, (h,)."""
        tokens = self._served[:, :, [USED_SUMS.index("input_tokens"), USED_SUMS.index("output_tokens")]]
        return np.asarray(tokens.sum(axis=(1, 2)), dtype=np.float64)

    @property
    def _served(self) -> Floats:
        """What services did: without the fleet as a whole, which only tells that it was metered."""
        own = [at for at, name in enumerate(self.users) if name != NOBODY]
        return self.used if len(own) == len(self.users) else self.used[:, own]

    def use(self) -> dict[str, Used]:
        """What each service did, all hours together; those that were not metered are left out."""
        sums = zip(self.users, self.used.sum(axis=0), strict=True)
        return {name: used_of(row, 0, name) for name, row in sums if row[MS]}

    def _paired(self, key: Callable[[Pair], Key]) -> dict[Key, Ints]:
        rows = self.charges.sum(axis=0)
        found: dict[Key, Ints] = {}
        for pair, row in zip(self.pairs, rows, strict=True):
            name = key(pair)
            found[name] = found[name] + row if name in found else row
        return found


def sums_of(row: Ints) -> Sums:
    """A row of charges as the account's sums."""
    count = len(PARTS)
    parts: list[int] = row[:count].tolist()
    return Sums(tuple(parts), *row[count:MONEY].tolist())


def used_of(row: Floats, hour_s: int, service: str = "") -> Used:
    """A row of use as the meter's; times are whole milliseconds."""
    told = {name: int(value) if name in WHOLE else value for name, value in zip(USED_SUMS, row.tolist(), strict=True)}
    return Used(hour_s, service, **told)


# --- from the meter ----------------------------------------------------------------------------------------------


def digested(store: CostStore, terms: Terms, start_s: int, end_s: int) -> Digest:
    """Read and account the hours in ``start_s <= hour < end_s``, both whole hours."""
    hours, used = store.hours(start_s, end_s), store.usage(start_s, end_s)
    span = np.arange(start_s, end_s, HOUR_S, dtype=np.int64)
    lines = account(hours, terms, start_s, end_s)
    owners = chain(hours.service, lines.service), chain(hours.pool, lines.pool)
    pairs = tuple(dict.fromkeys(zip(*owners, strict=True)))
    users = tuple(dict.fromkeys(row.service for row in used))
    charges = np.zeros((len(span), len(pairs), MONEY + 3), dtype=np.int64)
    _charged(charges, pairs, lines, start_s)
    _metered(charges, pairs, hours, start_s)
    use = np.zeros((len(span), len(users), len(USED_SUMS)))
    place = {name: at for at, name in enumerate(users)}
    for row in used:
        use[(row.hour_s - start_s) // HOUR_S, place[row.service]] = [getattr(row, name) for name in USED_SUMS]
    return Digest(span, pairs, users, charges, use, tuple(store.tenants(start_s, end_s)))


def _charged(charges: Ints, pairs: Sequence[Pair], lines: Account, start_s: int) -> None:
    numbers = (lines.parts, lines.list_nano, lines.charged_ms, lines.marginal_nano, lines.seen_nano)
    where = _places(pairs, lines.service, lines.pool)
    np.add.at(charges[:, :, :MONEY], ((lines.hour_s - start_s) // HOUR_S, where), np.column_stack(numbers))


def _metered(charges: Ints, pairs: Sequence[Pair], hours: Hours, start_s: int) -> None:
    numbers = np.column_stack([hours.held_ms, hours.busy_ms, hours.seen_ms])
    where = _places(pairs, hours.service, hours.pool)
    np.add.at(charges[:, :, MONEY:], ((hours.hour_s - start_s) // HOUR_S, where), numbers)


def _places(pairs: Sequence[Pair], services: Sequence[str], pools: Sequence[str]) -> Ints:
    place = {pair: at for at, pair in enumerate(pairs)}
    return np.array([place[pair] for pair in zip(services, pools, strict=True)], dtype=np.int64)


def joined(parts: Sequence[Digest]) -> Digest:
    """Several, one after the other."""
    if len(parts) == 1:
        return parts[0]
    pairs = tuple(dict.fromkeys(pair for part in parts for pair in part.pairs))
    users = tuple(dict.fromkeys(name for part in parts for name in part.users))
    hours = np.concatenate([part.hours for part in parts])
    charges = np.zeros((len(hours), len(pairs), MONEY + 3), dtype=np.int64)
    used = np.zeros((len(hours), len(users), len(USED_SUMS)))
    ends = np.cumsum([0, *(len(part.hours) for part in parts)]).tolist()
    for part, (first, last) in zip(parts, pairwise(ends), strict=True):
        charges[first:last, _at(pairs, part.pairs)] = part.charges
        used[first:last, _at(users, part.users)] = part.used
    return Digest(hours, pairs, users, charges, used, tuple(chain.from_iterable(part.tenants for part in parts)))


def _at(names: Sequence[Key], own: Sequence[Key]) -> slice | list[int]:
    """Where a part's names stand among all; nearly always they are the same, which copies several times as fast."""
    if names == own:
        return slice(None)
    place: Mapping[Key, int] = {name: at for at, name in enumerate(names)}
    return [place[name] for name in own]


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Digests of any span of whole hours; days that are over are read once. Safe for use from several threads.

    Always asked with the same store and the same terms.
    """

    kept: dict[int, Digest] = field(default_factory=dict)

    def digest(self, store: CostStore, terms: Terms, start_s: int, end_s: int) -> Digest:
        """Of the hours in ``start_s <= hour < end_s``."""
        midnights = range(-(-(start_s + 1) // DAY_S) * DAY_S, end_s, DAY_S)
        days = [*pairwise([start_s, *midnights, end_s])]
        parts = [self._day(store, terms, first, last) for first, last in days]
        made = joined(parts)
        metered = made.hours[made.longest_ms() > 0]
        newest = int(metered[-1]) if len(metered) else 0
        over = [at for at, (first, last) in enumerate(days) if first + DAY_S == last <= newest - SETTLED_S]
        self._keep({days[at][0]: parts[at] for at in over})
        return made

    def _day(self, store: CostStore, terms: Terms, start_s: int, end_s: int) -> Digest:
        """A day, or a part of one: kept, or of a kept one, or read."""
        kept = self.kept.get(start_s // DAY_S * DAY_S)
        return digested(store, terms, start_s, end_s) if kept is None else kept.between(start_s, end_s)

    def _keep(self, days: Mapping[int, Digest]) -> None:
        for day, made in days.items():
            self.kept.setdefault(day, made)
        while len(self.kept) > MOST_DAYS:
            self.kept.pop(min(self.kept), None)
