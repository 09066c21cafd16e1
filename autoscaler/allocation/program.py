"""The allocation as a mixed-integer program, solved by HiGHS: exact, for whatever else no shorter way is known.

First the lines are hard. Where that cannot be, each may be short at its price, and the shortages are minimised class
by class, highest priority first, each class keeping what the ones above it reached; last the cost, at those shortages.
So it is never infeasible, and no money saved makes anybody short.

With a gap it is quick instead of exact: each step may end that share above its least, and keeps what every single
service is short of instead of their sum, which leaves the next step far less to search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

from autoscaler.allocation.needs import Cell, Need, holdable, needs_of
from autoscaler.allocation.placement import by_counting, counting, patterns
from autoscaler.allocation.price import cell_usd
from autoscaler.allocation.terms import SPARES, Demand, Market
from runtime.replica import Tier

HELD = (Tier.ACTIVE, *SPARES)
GPU = Fraction(1)
SLACK = 1e-6
"""What a class of shortages may exceed its least by, and an integer its whole number."""

Row = dict[int, float]
Counts = dict[Cell, int]


@dataclass(slots=True)
class Program:
    """Columns and rows as they are added."""

    usd: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    rows: list[tuple[Row, float, float]] = field(default_factory=list)

    def column(self, usd: float = 0.0, upper: float = math.inf, whole: bool = False) -> int:
        """A new variable, at least 0; its index."""
        self.usd.append(usd)
        self.upper.append(upper)
        self.whole.append(int(whole))
        return len(self.usd) - 1

    def row(self, weights: Row, low: float = -math.inf, high: float = math.inf) -> None:
        """low ≤ Σ weight·x ≤ high."""
        self.rows.append((weights, low, high))

    def solve(self, objective: Mapping[int, float], gap: float) -> OptimizeResult:
        """Minimise; ``.x`` is None where nothing is feasible."""
        cost = np.zeros(len(self.usd))
        cost[list(objective)] = list(objective.values())
        data = [(r, c, w) for r, (weights, _, _) in enumerate(self.rows) for c, w in weights.items()]
        at, to, values = zip(*data, strict=True) if data else ((), (), ())
        matrix = csr_array((values, (at, to)), shape=(len(self.rows), len(self.usd)))
        low, high = (np.array([row[k] for row in self.rows]) for k in (1, 2))
        rows = [LinearConstraint(matrix, low, high)] if self.rows else []
        bounds = Bounds(np.zeros(len(self.usd)), np.array(self.upper))
        return milp(
            cost,
            constraints=rows,
            bounds=bounds,
            integrality=np.array(self.whole, np.int64),
            options={"mip_rel_gap": gap},
        )


@dataclass(slots=True)
class Columns:
    """Where the variables of one demand are."""

    cells: dict[Cell, int]
    short: list[tuple[Need, int]]


def solve(demands: Sequence[Demand], market: Market, gap: float = 0.0) -> tuple[list[Counts], float]:
    """Counts per demand, and how far from the least cost they may be (a share, at most ``gap``).

    Only the limits that ``market`` names bind the demands together.
    """
    program = Program()
    columns = [_demand(program, demand, market) for demand in demands]
    _budget(program, demands, columns, market)
    for gpu, domains in market.domains.items():
        _inventory(program, demands, columns, gpu, domains)
    usd = {i: cost for i, cost in enumerate(program.usd) if cost}
    result = program.solve(usd, gap)
    if result.x is None:
        result = _short(program, demands, columns, usd, gap)
    return [_counts(result.x, one) for one in columns], float(result.mip_gap or 0.0)


def _short(
    program: Program, demands: Sequence[Demand], columns: Sequence[Columns], usd: Mapping[int, float], gap: float
) -> OptimizeResult:
    """Least shortages by class, then least cost."""
    for _, index in (pair for one in columns for pair in one.short):
        program.upper[index] = math.inf
    for priority in sorted({demand.priority for demand in demands}, reverse=True):
        own = [pair for d, one in zip(demands, columns, strict=True) if d.priority == priority for pair in one.short]
        if own:
            prices = {index: need.usd for need, index in own}
            result = program.solve(prices, gap)
            if gap:
                for index in prices:
                    program.upper[index] = float(result.x[index]) + SLACK
            else:
                program.row(prices, high=result.fun + SLACK * max(1.0, result.fun))
    return program.solve(usd, gap)


def _demand(program: Program, demand: Demand, market: Market) -> Columns:
    cells = {}
    for index, tier in holdable(demand):
        most = demand.options[index].most
        upper = float("inf") if most is None else float(most)
        cells[index, tier] = program.column(cell_usd(demand, (index, tier)), upper, whole=True)
    _limits(program, demand, cells)
    _launches(program, demand, cells)
    short = [(need, _need(program, need, cells)) for need in needs_of(demand, market)]
    return Columns(cells, short)


def _limits(program: Program, demand: Demand, cells: Mapping[Cell, int]) -> None:
    """The demand's own caps."""
    program.row({c: 1.0 for (_, tier), c in cells.items() if tier in HELD}, high=demand.most)
    program.row({c: 1.0 for (_, tier), c in cells.items() if tier in SPARES}, high=demand.most_spare)
    for index, option in enumerate(demand.options):
        if option.most is not None:
            program.row({c: 1.0 for (i, _), c in cells.items() if i == index}, high=option.most)
    if demand.budget_usd_per_hour is not None:
        prices = {c: demand.options[i].usd_per_hour[tier] for (i, tier), c in cells.items()}
        program.row(prices, high=demand.budget_usd_per_hour)


def _launches(program: Program, demand: Demand, cells: Mapping[Cell, int]) -> None:
    for index, option in enumerate(demand.options):
        if option.launch_usd > 0:
            launched = program.column(option.launch_usd)
            held = {c: -1.0 for (i, _), c in cells.items() if i == index}
            program.row({launched: 1.0, **held}, low=-sum(option.now.values()))


def _need(program: Program, need: Need, cells: Mapping[Cell, int]) -> int:
    """The row of a need; gives the variable by which it is short."""
    short = program.column(upper=0.0)
    row = {cells[cell]: weight for cell, weight in need.weights.items()}
    for index, cap in need.late.items():
        own = {cells[cell]: -1.0 for cell in need.weights if cell[0] == index}
        if own:
            too_late = program.column()
            program.row({too_late: 1.0, **own}, low=-cap)
            row[too_late] = -max(weight for cell, weight in need.weights.items() if cell[0] == index)
    program.row({short: 1.0, **row}, low=need.amount)
    _round_up(program, need, cells, short)
    return short


def _round_up(program: Program, need: Need, cells: Mapping[Cell, int], short: int) -> None:
    """Whole replicas: of alike ones, either ⌈amount/each⌉ or short. It changes no solution, only how soon one is found.

    The mixed-integer rounding of n·e + s ≥ a is n + s/(e·f) ≥ ⌈a/e⌉, with f the fraction of a/e.
    """
    alike = set(need.weights.values())
    if need.late or len(alike) != 1:
        return
    each = alike.pop()
    above = need.amount / each - math.floor(need.amount / each)
    if SLACK < above < 1 - SLACK:
        whole = {cells[cell]: 1.0 for cell in need.weights}
        program.row({short: 1 / (each * above), **whole}, low=math.ceil(need.amount / each))


def _budget(program: Program, demands: Sequence[Demand], columns: Sequence[Columns], market: Market) -> None:
    if market.budget_usd_per_hour is None:
        return
    prices = {
        c: demand.options[i].usd_per_hour[tier]
        for demand, one in zip(demands, columns, strict=True)
        for (i, tier), c in one.cells.items()
    }
    program.row(prices, high=market.budget_usd_per_hour)


def _inventory(
    program: Program,
    demands: Sequence[Demand],
    columns: Sequence[Columns],
    gpu: str,
    domains: tuple[tuple[int, int], ...],
) -> None:
    sized: dict[Fraction, list[int]] = {}
    for demand, one in zip(demands, columns, strict=True):
        for (index, _), column in one.cells.items():
            if demand.options[index].gpu == gpu:
                sized.setdefault(demand.options[index].gpus, []).append(column)
    place(program, domains, sized)


def place(program: Program, domains: tuple[tuple[int, int], ...], sized: Mapping[Fraction, Sequence[int]]) -> None:
    """Rows that hold the columns, by size of their replicas, to what the domains have room for."""
    if not sized:
        return
    if not by_counting(list(sized)):
        return _patterns(program, domains, sized)
    for count in counting(domains, list(sized)):
        parts = math.lcm(*(size.denominator for size in sized))  # whole numbers, so that nothing is rounded
        row = {c: float(size * parts) for size, columns in sized.items() if size >= count.size for c in columns}
        program.row(row, high=float(count.gpus * parts))


def _patterns(program: Program, domains: tuple[tuple[int, int], ...], sized: Mapping[Fraction, Sequence[int]]) -> None:
    found = [(pattern, program.column(whole=True)) for pattern in patterns(domains, list(sized))]
    for free in sorted({free for free, _ in domains}):
        many = sum(many for gpus, many in domains if gpus == free)
        program.row({column: 1.0 for pattern, column in found if pattern.gpus == free}, high=many)
    for size in sorted({*sized, GPU}):
        row = {column: float(n) for pattern, column in found if (n := pattern.pieces.get(size, 0))}
        row |= dict.fromkeys(sized.get(size, ()), -1.0)
        if size == GPU:
            row |= {column: row.get(column, 0.0) - 1.0 for pattern, column in found if pattern.gpus is None}
        program.row(row, low=0.0)


def _counts(x: npt.NDArray[np.float64], columns: Columns) -> Counts:
    return {cell: round(float(x[c])) for cell, c in columns.cells.items() if round(float(x[c]))}
