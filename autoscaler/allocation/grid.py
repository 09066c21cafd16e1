"""One service on several pools, by looking at everything: exact, and for small fleets faster than any solver.

All counts but one are enumerated at once; the last one follows, since cost grows with it and shortage does not: it is
the smallest that reaches every line, as far as the limits let it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autoscaler.allocation.needs import Cell, Need, holdable, needs_of
from autoscaler.allocation.price import cell_usd
from autoscaler.allocation.program import HELD
from autoscaler.allocation.terms import SPARES, Demand, Market

MOST_POINTS = 60_000
"""Grids beyond this are left to the solver, which is then faster."""

EQUAL = 1e-6
"""Shortages closer than this are equal."""

Grid = npt.NDArray[np.int64]
"""Shape (cells, points): a count of each cell at each point."""


def solve(demand: Demand, market: Market) -> dict[Cell, int] | None:
    """Least shortage, then least cost; None where the grid is too large."""
    cells, needs = list(holdable(demand)), needs_of(demand, market)
    bounds = [_bound(demand, cell, needs) for cell in cells]
    if not cells:
        return {}
    last = int(np.argmax(bounds))
    if math.prod(bound + 1 for index, bound in enumerate(bounds) if index != last) > MOST_POINTS:
        return None
    shape = [1 if index == last else bound + 1 for index, bound in enumerate(bounds)]
    grid = np.indices(shape).reshape(len(cells), -1)
    room = _room(demand, cells, grid, last)
    grid, room = grid[:, room >= 0], room[room >= 0]
    if not grid.shape[1]:
        return {}
    grid[last] = np.minimum(room, _wanted(cells, needs, grid, last))
    short = sum((need.usd * _missing(cells, need, grid) for need in needs), np.zeros(grid.shape[1]))
    usd = _usd(demand, cells, grid)
    best = int(np.argmin(np.where(short <= short.min() + EQUAL, usd, np.inf)))
    return {cell: int(count) for cell, count in zip(cells, grid[:, best], strict=True) if count}


def _bound(demand: Demand, cell: Cell, needs: Sequence[Need]) -> int:
    """More of a cell than this is never worth anything."""
    if _beaten(demand, cell[0]):
        return 0
    useful = [math.ceil(need.amount / need.weights[cell] - 1e-9) for need in needs if cell in need.weights]
    most = demand.options[cell[0]].most
    caps = [max(useful, default=0), *([] if most is None else [most])]
    caps += [demand.most] if cell[1] in HELD else []
    return max(0, min(caps + ([demand.most_spare] if cell[1] in SPARES else [])))


def _beaten(demand: Demand, index: int) -> bool:
    """Whether another option is as good in everything, replica for replica, for less, and there is nothing of this."""
    one = demand.options[index]
    if any(one.now.values()):
        return False
    return any(
        rank != index
        and other.most is None
        and other.erlangs >= one.erlangs
        and other.spot in ("", one.spot)
        and other.launch_s <= one.launch_s
        and other.launch_usd <= one.launch_usd
        and all(
            tier in other.usd_per_hour
            and cell_usd(demand, (rank, tier)) <= cell_usd(demand, (index, tier))
            and other.ready(tier, one.lead_s.get(tier, math.inf))
            for tier in one.usd_per_hour
        )
        for rank, other in enumerate(demand.options)
    )


def _room(demand: Demand, cells: Sequence[Cell], grid: Grid, last: int) -> Grid:
    """How many of the last cell the limits leave room for at each point; negative where the point breaks one."""
    option, tier = cells[last]
    room = np.full(grid.shape[1], np.iinfo(np.int32).max, np.int64)

    def limit(members: Sequence[int], most: int) -> None:
        left = most - grid[[i for i in members if i != last]].sum(0)
        np.minimum(room, np.where(left < 0, -1, left if last in members else room), out=room)

    limit([i for i, cell in enumerate(cells) if cell[1] in HELD], demand.most)
    limit([i for i, cell in enumerate(cells) if cell[1] in SPARES], demand.most_spare)
    for index, one in enumerate(demand.options):
        if one.most is not None:
            limit([i for i, cell in enumerate(cells) if cell[0] == index], one.most)
    if demand.budget_usd_per_hour is not None:
        prices = np.array([demand.options[i].usd_per_hour[t] for i, t in cells])
        others = prices @ np.where(np.arange(len(cells))[:, None] == last, 0, grid)
        left = demand.budget_usd_per_hour - others + EQUAL
        own = demand.options[option].usd_per_hour[tier]
        affordable = np.floor(left / own).astype(np.int64) if own > 0 else room
        np.minimum(room, np.where(left < 0, -1, affordable), out=room)
    return room


def _wanted(cells: Sequence[Cell], needs: Sequence[Need], grid: Grid, last: int) -> Grid:
    """The smallest count of the last cell that does all it can for every need."""
    wanted = np.zeros(grid.shape[1], np.int64)
    for need in needs:
        weight = need.weights.get(cells[last])
        if weight:
            count = np.ceil(_missing(cells, need, grid) / weight - 1e-9).astype(np.int64)
            cap = need.late.get(cells[last][0])
            if cap is not None:
                own = [i for i, cell in enumerate(cells) if cell[0] == cells[last][0] and cell in need.weights]
                count = np.minimum(count, np.maximum(0, cap - grid[[i for i in own if i != last]].sum(0)))
            np.maximum(wanted, count, out=wanted)
    return wanted


def _missing(cells: Sequence[Cell], need: Need, grid: Grid) -> npt.NDArray[np.float64]:
    """By how much the need is not reached at each point."""
    carried = np.zeros(grid.shape[1])
    for index in sorted({option for option, _ in need.weights}):
        own = [i for i, cell in enumerate(cells) if cell[0] == index and cell in need.weights]
        count = grid[own].sum(0)
        cap = need.late.get(index)
        carried += need.weights[cells[own[0]]] * (count if cap is None else np.minimum(count, cap))
    return np.maximum(0.0, need.amount - carried)


def _usd(demand: Demand, cells: Sequence[Cell], grid: Grid) -> npt.NDArray[np.float64]:
    usd: npt.NDArray[np.float64] = np.array([cell_usd(demand, cell) for cell in cells]) @ grid
    for index, option in enumerate(demand.options):
        held = grid[[i for i, cell in enumerate(cells) if cell[0] == index]].sum(0)
        usd += option.launch_usd * np.maximum(0, held - sum(option.now.values()))
    return usd
