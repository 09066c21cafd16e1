"""What forecasts are worth: the same controller on the same day, with more and with less foresight.

python -m benchmarks.foresight TRACES_FOLDER [--case m-small] [--hours 24] [--cold-start 120] [--json FILE]

Everything is as in ``benchmarks.contenders``; only the experts differ: none but the last value, those that learn
nothing (last value, seasonal), and all. Each is played with several factors on its forecast (``risk.headroom``; the
price of being short ends at the P99), which gives a curve of cost against attainment; then cost is read off at equal
attainment, by interpolation between its points, over the range that all curves reach. One draw of lead times and of the
routing: a per cent is within what another would give. A case takes about ten minutes of one core, two thirds of them
for the experts that learn.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.run import run
from autoscaler.policy import Risk
from benchmarks.contenders import standard
from forecasting.experts import Expert, installed
from forecasting.experts.last_value import LastValue
from forecasting.forecaster import Forecaster
from runtime.pool import LeadTime
from runtime.replica import Tier

HEADROOM = (0.85, 0.95, 1.05, 1.2, 1.4)
LEVELS = 5
"""Attainments at which costs are compared, evenly over the range in common."""

FORESIGHT: dict[str, tuple[Expert, ...]] = {
    "last value": (LastValue(),),
    "without learning": tuple(expert for expert in installed() if expert.needs_s == 0),
    "all experts": installed(),
}

_case: Case


def play(task: tuple[str, float]) -> dict[str, Any]:
    """One day with those experts at that headroom."""
    name, headroom = task
    policy = _case.policy.model_copy(update={"risk": Risk(headroom=headroom)})
    case = replace(_case, policy=policy)
    forecaster = Forecaster(case.pool.service, experts=FORESIGHT[name])
    return run(case, Ours(case, forecaster), name=name).row | {"headroom": headroom}


def inherit(case: Case) -> None:
    """Take the case over in a worker."""
    global _case
    _case = case


Curve = list[tuple[float, float]]
"""Attainment and USD of each point that was played, ascending."""


def curves(rows: Sequence[dict[str, Any]]) -> dict[str, Curve]:
    """What was played, by the experts' name."""
    points = {name: [row for row in rows if row["policy"] == name] for name in FORESIGHT}
    return {name: sorted((row["attainment"], row["cost_usd"]) for row in own) for name, own in points.items()}


def equal(played: dict[str, Curve]) -> list[tuple[float, list[float]]]:
    """USD of every curve at attainments that all of them reach; empty where they have none in common."""
    low, high = max(curve[0][0] for curve in played.values()), min(curve[-1][0] for curve in played.values())
    if low >= high:
        return []
    levels = np.linspace(low, high, LEVELS)
    costs = [np.interp(levels, [at for at, _ in curve], [usd for _, usd in curve]) for curve in played.values()]
    return [(float(level), [float(cost[i]) for cost in costs]) for i, level in enumerate(levels)]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--case", choices=["m-large", "m-small"], default="m-small")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--cold-start", type=float, default=120.0, help="median, seconds; the P90 is a third more")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, each on one core")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    case = standard(given.case, given.traces, given.hours * 3600)[1]
    cold = {Tier.COLD: LeadTime(given.cold_start, given.cold_start * 4 / 3)}
    case = replace(case, pool=replace(case.pool, lead_times=cold))
    tasks = [(name, headroom) for name in FORESIGHT for headroom in HEADROOM]
    with ProcessPoolExecutor(given.workers, multiprocessing.get_context("fork"), inherit, (case,)) as workers:
        rows = list(workers.map(play, tasks))
    report(f"{given.case}, {given.hours:g} h, cold start {given.cold_start:g} s", rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def report(title: str, rows: list[dict[str, Any]]) -> None:
    """The points that were played, and what equal attainment costs."""
    console = Console(width=120)
    played = Table(title=f"{title}: as played")
    for column in ("experts", "headroom", "attainment %", "GPU-hours", "moves"):
        played.add_column(column, justify="left" if column == "experts" else "right")
    for row in rows:
        moves = row["scale_ups"] + row["scale_downs"]
        shown = f"{row['headroom']:g}", f"{100 * row['attainment']:.2f}", f"{row['gpu_hours']:.1f}", str(moves)
        played.add_row(row["policy"], *shown)
    console.print(played)
    console.print(compared(title, equal(curves(rows))))


def compared(title: str, levels: list[tuple[float, list[float]]]) -> Table:
    """Costs at equal attainment, and the mean of their shares."""
    table = Table(title=f"{title}: cost at equal attainment, USD (share of the first)")
    for column in ("attainment %", *FORESIGHT):
        table.add_column(column, justify="right")
    for attainment, costs in levels:
        table.add_row(f"{100 * attainment:.2f}", *(f"{cost:.0f} ({cost / costs[0]:.3f})" for cost in costs))
    if levels:
        shares = np.mean([np.array(costs) / costs[0] for _, costs in levels], axis=0)
        table.add_row("mean share", *(f"{share:.3f}" for share in shares))
    return table


if __name__ == "__main__":
    main()
