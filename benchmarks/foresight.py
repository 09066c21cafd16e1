"""What forecasts are worth: the same controller on the same day, with more and with less foresight.

python -m benchmarks.foresight TRACES_FOLDER [--case m-small] [--hours 24] [--cold-start 120] [--json FILE]

Everything is as in ``benchmarks.contenders``; only the experts differ: none but the last value, those that learn
nothing (last value, seasonal), and all. Each is played with several factors on its forecast (``risk.headroom``; the
price of being short ends at the P99), which gives a curve of cost against attainment; then cost is read off at equal
attainment, by interpolation between its points.
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

ATTAINMENTS = (0.985, 0.988, 0.99, 0.992, 0.994, 0.996)
HEADROOM = (0.85, 0.95, 1.05, 1.2, 1.4)

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


def cost_at(rows: Sequence[dict[str, Any]], attainment: float) -> float:
    """USD at that attainment, between the points that were played; NaN beyond them."""
    ordered = sorted(rows, key=lambda row: float(row["attainment"]))
    reached = [row["attainment"] for row in ordered]
    return float(np.interp(attainment, reached, [row["cost_usd"] for row in ordered], left=np.nan, right=np.nan))


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--case", choices=["m-large", "m-small"], default="m-small")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--cold-start", type=float, default=120.0, help="median, seconds; the P90 is a third more")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    case = standard(given.case, given.traces, given.hours * 3600)[1]
    cold = {Tier.COLD: LeadTime(given.cold_start, given.cold_start * 4 / 3)}
    case = replace(case, pool=replace(case.pool, lead_times=cold))
    tasks = [(name, headroom) for name in FORESIGHT for headroom in HEADROOM]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork"), inherit, (case,)) as workers:
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
    equal = Table(title=f"{title}: cost at equal attainment, USD (share of the first)")
    equal.add_column("attainment %")
    for name in FORESIGHT:
        equal.add_column(name, justify="right")
    for attainment in ATTAINMENTS:
        costs = [cost_at([row for row in rows if row["policy"] == name], attainment) for name in FORESIGHT]
        cells = ["–" if np.isnan(cost) else f"{cost:.0f} ({cost / costs[0]:.3f})" for cost in costs]
        equal.add_row(f"{100 * attainment:g}", *cells)
    console.print(equal)


if __name__ == "__main__":
    main()
