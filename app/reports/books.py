"""The books: what was metered, the terms it is paid by, and statements over any span of whole hours.

One place works out every number about money, so the API, the console and the reports cannot differ. What can still
change is read from the store at every call; days that are over are kept, and savings, which take seconds to play.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.costsettings import CarbonSettings, CostSettings
from app.reports.digest import Days, Digest
from app.reports.plays import Play, Played
from autoscaler.cost.account import NOBODY, Account, Sums, Terms, account
from autoscaler.cost.book import PriceError
from autoscaler.cost.budget import DAY_S, LOOK_BACK_DAYS, Budget, Standing, month, standing
from autoscaler.cost.energy import Energy, energy
from autoscaler.cost.figures import Figures, Split, Tokens, figures, gaps, split, tokens_of
from autoscaler.cost.meter import HOUR_S, Used
from autoscaler.cost.money import shared_rows, usd
from autoscaler.cost.savings import Saving, days_of
from autoscaler.cost.store import CostStore
from autoscaler.policy import Policy
from collectors.history import History
from runtime.pool import Pool

UNTOLD = "_untold"
"""Who is charged for tokens that came through no tenant."""


@dataclass(frozen=True, slots=True)
class Line:
    """A group of a statement: a service, a pool, a day, a part of an hour; ``split`` is None where nothing tells."""

    name: str
    figures: Figures
    tokens: Tokens
    energy: Energy
    split: Split | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """Everything of a span of whole hours, UTC seconds."""

    start_s: float
    end_s: float
    lines: Digest

    @property
    def metered_ms(self) -> int:
        """The longest that any service was metered for, milliseconds."""
        return max((used.ms for used in self.lines.use().values()), default=0)


@dataclass(frozen=True, slots=True, eq=False)
class Charges:
    """Every single charge of a span: ``lines`` are its account, by hour, service and pool."""

    start_s: float
    end_s: float
    lines: Account
    used: Sequence[Used]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What cannot change any more and takes long to work out again."""

    days: Days = field(default_factory=Days)
    played: dict[Played, list[Saving]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """``services`` are the pools of each, its first one first; ``only`` those that may be told of, None for all.

    Methods block: call them in a thread.
    """

    store: CostStore
    history: History
    services: Mapping[str, tuple[Pool, ...]]
    terms: Terms = field(default_factory=Terms)
    carbon: CarbonSettings = field(default_factory=CarbonSettings)
    budgets: tuple[Budget, ...] = ()
    stock: Mapping[str, int] = field(default_factory=dict)
    racks: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None
    kept: Kept = field(default_factory=Kept)

    def of(self, services: Collection[str]) -> Books:
        """Of some services, as if there were no others: the quota, racks and the fleet's own budgets are left out."""
        return replace(
            self,
            services={name: pools for name, pools in self.services.items() if name in services},
            budgets=tuple(budget for budget in self.budgets if budget.service in services),
            stock={},
            racks={},
            only=frozenset(services),
        )

    def statement(self, start_s: float, end_s: float, service: str | None = None) -> Statement:
        """What the hours cost that touch the span. For one service what others share with it is still its part."""
        first, last = hour_before(start_s), hour_after(end_s)
        lines = self.kept.days.digest(self.store, self.terms, int(first), int(last))
        names = self.only if service is None else {service} if self.only is None else self.only & {service}
        return Statement(first, last, lines if names is None else lines.of(names))

    def charges(self, start_s: float, end_s: float) -> Charges:
        """The same, charge by charge; takes seconds where a statement takes a moment."""
        start_s, end_s = hour_before(start_s), hour_after(end_s)
        hours, used = self.store.hours(start_s, end_s), self.store.usage(start_s, end_s)
        return Charges(start_s, end_s, account(hours, self.terms, start_s, end_s), used)

    def total(self, made: Statement, services: Sequence[Line] | None = None, name: str = "total") -> Line:
        """The whole of a statement, of which ``services`` are the lines by service if they are known."""
        used = [row for row in made.lines.use().values() if row.service != NOBODY]
        shares = _split_of(self.by_service(made) if services is None else services)
        whole, tokens = made.lines.whole, tokens_of(used)
        return Line(name, figures(whole, tokens), tokens, self._energy(used, made.lines.held_ms()), shares)

    def by_service(self, made: Statement) -> list[Line]:
        """One line per service, the dearest first; what no service used is the fleet's."""
        used, held_ms = made.lines.use(), made.lines.held_ms()
        sums = made.lines.by_pair(lambda pair: pair[0])
        return _dearest(
            [
                self._service(name, one, [used[name]] if name in used else [], held_ms.get(name, 0))
                for name, one in sums.items()
            ]
        )

    def by_pool(self, made: Statement) -> list[Line]:
        """One line per pool, rack and commitment; tokens and joules are not known by pool."""
        sums = made.lines.by_pair(lambda pair: pair[1])
        return _dearest([Line(name, figures(one, Tokens()), Tokens(), UNKNOWN) for name, one in sums.items()])

    def by_time(self, made: Statement, step_s: int) -> list[tuple[int, Line]]:
        """One line per stretch of ``step_s`` seconds (hours or days), with its start, oldest first."""
        return [(start, _stretch(start, sums, used)) for start, (sums, used) in made.lines.by_time(step_s).items()]

    def by_tenant(self, made: Statement) -> list[tuple[str, int, float, float]]:
        """(tenant, nano-USD, tokens, requests), the dearest first: each hour's whole cost by tokens.

        Tokens that the router saw of no tenant are ``UNTOLD``'s, so the parts sum to the whole; empty without tenants.
        """
        return _tenants(made.lines) if made.lines.tenants else []

    def standings(self, now_s: float) -> list[Standing]:
        """Every budget now."""
        if not self.budgets:
            return []
        start_s = min(month(now_s)[0], now_s - (LOOK_BACK_DAYS + 1) * DAY_S)
        made = self.statement(start_s, now_s)
        return [standing(budget, self._by_hour(made, budget.service, now_s), now_s) for budget in self.budgets]

    def savings(self, service: str, policy: Policy, start_s: float, end_s: float) -> list[Saving]:
        """Of one service over the whole days within the span, at list prices on both sides; empty without any."""
        for key, play in self.plays({service: policy}, start_s, end_s, service).items():
            self.kept.played[key] = play.savings()
        return self.kept.played.get(_played(service, policy, start_s, end_s), [])

    def plays(
        self, policies: Mapping[str, Policy], start_s: float, end_s: float, service: str | None = None
    ) -> dict[Played, Play]:
        """What is still to be played for the savings of a service, or of all."""
        names = [name for name in self.services if name in policies and service in (None, name)]
        wanted = {_played(name, policies[name], start_s, end_s): policies[name] for name in names}
        new = {key: policy for key, policy in wanted.items() if key not in self.kept.played and key[1] < key[2]}
        if not new:
            return {}
        first, last = next(iter(new))[1:3]
        made = self.statement(first, last)
        found = {key: self._play(made.lines.of({key[0]}), key, policy) for key, policy in new.items()}
        self.kept.played.update({key: [] for key, play in found.items() if play is None})
        return {key: play for key, play in found.items() if play is not None}

    def _play(self, made: Digest, key: Played, policy: Policy) -> Play | None:
        """The days of one service; None where it had no requests, or of no whole day the load is known."""
        service, first, last, _ = key
        paid = {day: usd(sums.list_nano) for day, (sums, _) in made.by_time(DAY_S).items()}
        tokens = tokens_of(made.use().values())
        if tokens.requests <= 0:
            return None
        fresh = tokens.input - (tokens.cached or 0.0)
        lengths = fresh / tokens.requests, tokens.output / tokens.requests
        times, erlangs = self.history.load(service, "offered_erlangs", first)
        inside = times <= last
        days = days_of(times[inside], erlangs[inside], paid)
        return Play(days, self.services[service][0], policy, lengths) if days else None

    def _service(self, name: str, sums: Sums, used: Sequence[Used], held_ms: int) -> Line:
        tokens, pools = tokens_of(used), self.services.get(name)
        shares = split(tokens, pools[0].step) if pools else None
        return Line(name, figures(sums, tokens), tokens, self._energy(used, {name: held_ms}), shares)

    def _energy(self, used: Iterable[Used], held_ms: Mapping[str, int]) -> Energy:
        """Joules of services' GPUs; carbon by the region of the first pool of theirs that is placed."""
        rows = [row for row in used if row.service != NOBODY]
        pools = [pool.name for name in held_ms for pool in self.services.get(name, ())]
        placed = [self.terms.placements[pool] for pool in pools if pool in self.terms.placements]
        grid = self.carbon.grid(placed[0].sku.region if placed else "default")
        return energy(rows, sum(held_ms.values()), grid)

    def _by_hour(self, made: Statement, service: str | None, now_s: float) -> dict[int, float]:
        lines, hours = made.lines if service is None else made.lines.of({service}), made.lines.hours.tolist()
        metered = made.lines.longest_ms() > 0
        costs = zip(hours, metered.tolist(), lines.nano_by_hour().tolist(), strict=True)
        return {hour: usd(nano) for hour, known, nano in costs if nano or (known and hour < now_s)}


UNKNOWN = Energy(None, None, None, None, None)


def books_of(
    store: CostStore,
    history: History,
    services: Mapping[str, tuple[Pool, ...]],
    settings: CostSettings,
    stock: Mapping[str, int],
    racks: Mapping[str, str],
) -> Books:
    """From settings; raises PriceError for prices, pools or services that cannot be.

    ``stock`` has the GPUs there are by type, where that is limited, and ``racks`` each rack's GPU type.
    """
    pools = {pool.name for own in services.values() for pool in own}
    for name in settings.pools:
        if name not in pools:
            raise PriceError(f"cost.pools: no pool {name!r}; there are {', '.join(sorted(pools))}")
    for budget in settings.budgets:
        if budget.service is not None and budget.service not in services:
            raise PriceError(f"cost.budgets: no service {budget.service!r}; there are {', '.join(services)}")
    budgets = tuple(one.budget() for one in settings.budgets)
    return Books(store, history, services, settings.terms(), settings.carbon, budgets, stock, racks)


def missing(made: Statement, line: Line) -> list[str]:
    """What is not known of a span, in words."""
    span_ms = round((made.end_s - made.start_s) * 1000)
    told = gaps(line.tokens, line.figures, span_ms, made.metered_ms)
    if line.energy.known is not None and line.energy.known < 0.999:
        told.append(f"energy read for {line.energy.known:.1%} of the GPU time; it is a gap elsewhere, not a zero")
    return told


def _played(service: str, policy: Policy, start_s: float, end_s: float) -> Played:
    """The whole days (UTC) of a span, and by which policy."""
    return service, int(-(-start_s // DAY_S) * DAY_S), int(end_s // DAY_S * DAY_S), policy.model_dump_json()


def hour_before(at_s: float) -> float:
    """The start of the hour that holds a time."""
    return at_s // HOUR_S * HOUR_S


def hour_after(at_s: float) -> float:
    """The end of the hour that a time falls in; a whole hour is its own."""
    return -(-at_s // HOUR_S) * HOUR_S


def _dearest(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: -line.figures.total_usd)


def _split_of(services: Sequence[Line]) -> Split | None:
    """Of all services together: each one's shares of its own cost."""
    parts = [(line.figures.total_usd, line.split) for line in services]
    known = [(cost, shares) for cost, shares in parts if shares is not None and cost > 0]
    whole = sum(cost for cost, _ in known)
    if whole <= 0:
        return None
    kinds = ("input", "cached", "output")
    return Split(*(sum(cost * getattr(shares, kind) for cost, shares in known) / whole for kind in kinds))


def _stretch(start: int, sums: Sums, used: Used) -> Line:
    tokens = tokens_of([used])
    return Line(str(start), figures(sums, tokens), tokens, UNKNOWN)


def _tenants(lines: Digest) -> list[tuple[str, int, float, float]]:
    names = [UNTOLD, *dict.fromkeys(use.tenant for use in lines.tenants)]
    place, start_s = {name: at for at, name in enumerate(names)}, int(lines.hours[0])
    told = np.zeros((len(lines.hours), len(names), 2))
    for use in lines.tenants:
        told[(use.hour_s - start_s) // 3600, place[use.tenant]] += (use.tokens, use.requests)
    counted = lines.tokens_by_hour()
    told[:, 0, 0] = np.maximum(0.0, counted - told[:, 1:, 0].sum(axis=1))
    weights = np.round(1000 * told[:, :, 0]).astype(np.int64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    nano = shared_rows(lines.nano_by_hour(), weights).sum(axis=0).tolist()
    sums = told.sum(axis=0).tolist()
    found = [(name, cost, tokens, asked) for name, cost, (tokens, asked) in zip(names, nano, sums, strict=True)]
    return sorted(found, key=lambda row: -row[1])
