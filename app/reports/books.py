"""The books: what was metered, the terms it is paid by, and statements over any span of whole hours.

One place works out every number about money, so the API, the console and the reports cannot differ. Reading is from
the store at every call; nothing here holds state but the savings of days that are over, which take seconds to play.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.costsettings import CarbonSettings, CostSettings
from autoscaler.cost.account import NOBODY, PARTS, Account, Sums, Terms, account
from autoscaler.cost.book import PriceError
from autoscaler.cost.budget import DAY_S, LOOK_BACK_DAYS, Budget, Standing, month, standing
from autoscaler.cost.energy import Energy, energy
from autoscaler.cost.figures import Figures, Split, Tokens, figures, gaps, split, tokens_of
from autoscaler.cost.meter import HOUR_S, Used
from autoscaler.cost.money import shared, usd
from autoscaler.cost.savings import Saving, days_of, savings
from autoscaler.cost.store import CostStore, Hours, TenantUse
from autoscaler.policy import Policy
from collectors.history import History
from runtime.pool import Pool

UNTOLD = "_untold"
"""Who is charged for tokens that came through no tenant."""

SEED = 20_261_121


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
    """Everything of a span: ``lines`` are its account, ``hours`` what it rests on; spans are whole hours, UTC s."""

    start_s: float
    end_s: float
    hours: Hours
    lines: Account
    used: Sequence[Used]
    tenants: Sequence[TenantUse]

    @property
    def metered_ms(self) -> int:
        """The longest that any service was metered for, milliseconds."""
        by_service: dict[str, int] = {}
        for row in self.used:
            by_service[row.service] = by_service.get(row.service, 0) + row.ms
        return max(by_service.values(), default=0)


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """``services`` are the pools of each, its first one first. Methods block: call them in a thread."""

    store: CostStore
    history: History
    services: Mapping[str, tuple[Pool, ...]]
    terms: Terms = field(default_factory=Terms)
    carbon: CarbonSettings = field(default_factory=CarbonSettings)
    budgets: tuple[Budget, ...] = ()
    stock: Mapping[str, int] = field(default_factory=dict)
    racks: Mapping[str, str] = field(default_factory=dict)
    _played: dict[tuple[str, int, int, str], list[Saving]] = field(default_factory=dict)

    def statement(self, start_s: float, end_s: float, service: str | None = None) -> Statement:
        """What the hours cost that touch the span. For one service what others share with it is still its part."""
        start_s, end_s = hour_before(start_s), hour_after(end_s)
        hours, used = self.store.hours(start_s, end_s), self.store.usage(start_s, end_s)
        tenants = [] if service else self.store.tenants(start_s, end_s)
        lines = account(hours, self.terms, start_s, end_s)
        if service is not None:
            hours = _hours_of(hours, service)
            lines, used = lines.of(service), [row for row in used if row.service == service]
        return Statement(start_s, end_s, hours, lines, used, tenants)

    def total(self, made: Statement, services: Sequence[Line] | None = None, name: str = "total") -> Line:
        """The whole of a statement, of which ``services`` are the lines by service if they are known."""
        tokens = tokens_of(row for row in made.used if row.service != NOBODY)
        shares = _split_of(self.by_service(made) if services is None else services)
        return Line(name, figures(made.lines.whole, tokens), tokens, self._energy(made.used, held(made)), shares)

    def by_service(self, made: Statement) -> list[Line]:
        """One line per service, the dearest first; what no service used is the fleet's."""
        used: dict[str, list[Used]] = {}
        for row in made.used:
            used.setdefault(row.service, []).append(row)
        held_ms = _by_service(made.hours)
        return _dearest(
            [
                self._service(str(name), sums, used.get(str(name), []), held_ms.get(str(name), 0))
                for name, sums in made.lines.summed("service").items()
            ]
        )

    def by_pool(self, made: Statement) -> list[Line]:
        """One line per pool, rack and commitment; tokens and joules are not known by pool."""
        sums = made.lines.summed("pool")
        return _dearest([Line(str(name), figures(one, Tokens()), Tokens(), UNKNOWN) for name, one in sums.items()])

    def by_time(self, made: Statement, step_s: int) -> list[tuple[int, Line]]:
        """One line per stretch of ``step_s`` seconds (hours or days), with its start, oldest first."""
        used: dict[int, list[Used]] = {}
        for row in made.used:
            used.setdefault(row.hour_s // step_s * step_s, []).append(row)
        sums = {int(str(start)): one for start, one in made.lines.summed(lambda hour: hour // step_s * step_s).items()}
        return [
            (start, _stretch(start, sums.get(start, NOTHING), used.get(start, []))) for start in sorted({*sums, *used})
        ]

    def by_tenant(self, made: Statement) -> list[tuple[str, int, float, float]]:
        """(tenant, nano-USD, tokens, requests), the dearest first: each hour's whole cost by tokens.

        Tokens that the router saw of no tenant are ``UNTOLD``'s, so the parts sum to the whole; empty without tenants.
        """
        return _tenants(made) if made.tenants else []

    def standings(self, now_s: float) -> list[Standing]:
        """Every budget now."""
        if not self.budgets:
            return []
        start_s = min(month(now_s)[0], now_s - (LOOK_BACK_DAYS + 1) * DAY_S)
        made = self.statement(start_s, now_s)
        return [standing(budget, self._by_hour(made, budget.service, now_s), now_s) for budget in self.budgets]

    def savings(self, service: str, policy: Policy, start_s: float, end_s: float) -> list[Saving]:
        """Of one service over the whole days within the span, at list prices on both sides; empty without any."""
        first, last = -(-start_s // DAY_S) * DAY_S, end_s // DAY_S * DAY_S
        pool = self.services[service][0]
        key = (service, int(first), int(last), policy.model_dump_json())
        if key not in self._played and first < last:
            self._played[key] = self._savings(service, pool, policy, first, last)
        return self._played.get(key, [])

    def _savings(self, service: str, pool: Pool, policy: Policy, first: float, last: float) -> list[Saving]:
        made = self.statement(first, last, service)
        by_day = made.lines.summed(lambda hour: hour // DAY_S * DAY_S)
        paid = {int(str(day)): usd(sums.list_nano) for day, sums in by_day.items()}
        tokens = tokens_of(made.used)
        if tokens.requests <= 0:
            return []
        fresh = tokens.input - (tokens.cached or 0.0)
        lengths = fresh / tokens.requests, tokens.output / tokens.requests
        times, erlangs = self.history.load(service, "offered_erlangs", first)
        inside = times <= last
        return savings(days_of(times[inside], erlangs[inside], paid), pool, policy, lengths, SEED)

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
        lines = made.lines if service is None else made.lines.of(service)
        metered = {row.hour_s: 0.0 for row in made.used if row.hour_s < now_s}
        return metered | {int(str(hour)): usd(sums.nano) for hour, sums in lines.summed("hour_s").items()}


UNKNOWN = Energy(None, None, None, None, None)
NOTHING = Sums((0,) * len(PARTS), 0, 0, 0, 0)


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


def _stretch(start: int, sums: Sums, used: Sequence[Used]) -> Line:
    tokens = tokens_of(row for row in used if row.service != NOBODY)
    return Line(str(start), figures(sums, tokens), tokens, UNKNOWN)


def held(made: Statement) -> dict[str, int]:
    """GPU-milliseconds that each service's GPUs were held for."""
    return _by_service(made.hours)


def _by_service(hours: Hours) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, ms in zip(hours.service, hours.held_ms.tolist(), strict=True):
        found[name] = found.get(name, 0) + ms
    return found


def _hours_of(hours: Hours, service: str) -> Hours:
    rows = [i for i, name in enumerate(hours.service) if name == service]
    return Hours(
        hours.hour_s[rows],
        tuple(hours.service[i] for i in rows),
        tuple(hours.pool[i] for i in rows),
        hours.micro_usd[rows],
        hours.charged_ms[rows],
        hours.held_ms[rows],
        hours.busy_ms[rows],
        hours.seen_ms[rows],
    )


def _tenants(made: Statement) -> list[tuple[str, int, float, float]]:
    tokens: dict[int, dict[str, float]] = {}
    for row in made.used:
        if row.service != NOBODY:
            hour = tokens.setdefault(row.hour_s, {UNTOLD: 0.0})
            hour[UNTOLD] += row.input_tokens + row.output_tokens
    sums: dict[str, list[float]] = {}
    for use in made.tenants:
        hour = tokens.setdefault(use.hour_s, {UNTOLD: 0.0})
        hour[use.tenant] = hour.get(use.tenant, 0.0) + use.tokens
        hour[UNTOLD] = max(0.0, hour[UNTOLD] - use.tokens)
        own = sums.setdefault(use.tenant, [0.0, 0.0])
        own[0], own[1] = own[0] + use.tokens, own[1] + use.requests
    nano: dict[str, int] = dict.fromkeys((UNTOLD, *sums), 0)
    for start, sums_of_hour in made.lines.summed("hour_s").items():
        weights = tokens.get(int(str(start)), {UNTOLD: 1.0})
        costs = shared(sums_of_hour.nano, [round(1000 * weight) for weight in weights.values()])
        for name, cost in zip(weights, costs, strict=True):
            nano[name] += cost
    rest = sum(hour[UNTOLD] for hour in tokens.values())
    found = [(name, cost, *(sums.get(name) or (rest, 0.0))) for name, cost in nano.items()]
    return sorted(((name, cost, own, asked) for name, cost, own, asked in found), key=lambda row: -row[1])
