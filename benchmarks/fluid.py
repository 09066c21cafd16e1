"""How far the fluid fast path is from the request-level simulator, and how fast it is.

python -m benchmarks.fluid TRACE_FOLDER [--quick]

On slices of two real traces, each with the pool it would run on: a few settings of our own policy and of a proportional
rule, by both. The fluid model's numbers were chosen on rows marked "fitted", its form with all rows in view. Then
milliseconds per setting over a whole day.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import SCRAPE_S, Contender, Ours
from autoscaler.backtest.fluid import Estimate, Fluid, Proportional, Quantile
from autoscaler.backtest.fluid_outlook import Outlook, foresee
from autoscaler.backtest.run import run
from autoscaler.capacity import offered_erlangs
from autoscaler.policy import Policy, Risk, ScaleIn
from collectors.aggregate import LengthMemory, observe
from collectors.observation import Scrape
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier
from runtime.simulated.samples import scrape
from runtime.simulated.world import World
from runtime.traces import Trace, load

COLD = {Tier.COLD: LeadTime(120.0, 160.0)}
POOLS = {
    "large": Pool(
        "h100x2", "chat", "vllm", "H100", 2, 2.69, StepTime(16.55, 0.041, 0.0581, 68.7), 14000, 16, 1024, 8192
    ),
    "small": Pool("l4", "chat", "vllm", "L4", 1, 0.8, StepTime(30.0, 0.1, 0.45, 130.0), 3000, 16, 256, 2048),
}
SLOS = {"large": {"ttft_s": 2.0, "tpot_s": 0.05}, "small": {"ttft_s": 1.0, "tpot_s": 0.06}}
SLICES = (
    ("large", 9, 13, "fitted"),
    ("large", 18, 21, "fitted"),
    ("small", 9, 12, "fitted"),
    ("large", 4, 8, "new"),
    ("large", 14, 17, "new"),
    ("small", 14, 17, "new"),
)
OURS = ((5.0, 0.8, 60.0), (100.0, 0.8, 300.0), (100.0, 1.0, 300.0), (300.0, 1.2, 600.0))
"""Shortage in dollars an hour, headroom, scale-in window in seconds."""
TARGETS = (0.35, 0.45, 0.55)


class Erlangs:
    """The proportional rule as a contender, on erlangs counted from scrapes as the fluid model has it."""

    name = "proportional"
    interval_s = SCRAPE_S

    def __init__(self, case: Case, rule: Proportional) -> None:
        self._case, self._rule = case, rule
        self._current = case.first_replicas()
        self._seen: list[tuple[float, float]] = []
        self._needs: list[tuple[float, int]] = []
        self._previous: Scrape | None = None
        self._lengths = LengthMemory()

    def target(self, world: World) -> PoolTarget:
        """The need by the load of ``lag_s`` ago, the window, the steps, the bounds."""
        rule, pool, bounds = self._rule, self._case.pool, self._case.policy.replicas
        seen = scrape(world)
        observation, self._lengths = observe(pool.service, list(seen.replicas), self._previous, seen, self._lengths)
        self._previous = seen
        self._seen.append((world.now_s, offered_erlangs(observation, pool) or 0.0))
        known = [load for at_s, load in self._seen if at_s <= world.now_s - rule.lag_s]
        need = self._current
        if known and abs(known[-1] / (self._current * rule.target_erlangs) - 1) > rule.tolerance:
            need = int(np.ceil(known[-1] / rule.target_erlangs))
        self._needs = [n for n in self._needs if n[0] >= world.now_s - rule.window_s] + [(world.now_s, need)]
        floor = min(self._current, max(n for _, n in self._needs))
        top = max(self._current + 1, min(self._current + rule.step_out, int(self._current * rule.factor_out)))
        self._current = min(bounds.max, max(1, bounds.min, min(max(need, floor), top)))
        return PoolTarget(pool.service, pool.name, self._current)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting on one slice: what both say."""

    slice: str
    seen: str
    setting: str
    attainment: float
    replica_hours: float
    moves: int
    wall_s: float
    estimate: Estimate


@cache
def trace(folder: Path, which: str) -> Trace:
    """A whole day."""
    return load(folder / f"servegen-m-{which}-requests.parquet")


def case_of(folder: Path, which: str, from_h: float, to_h: float) -> Case:
    """A slice of a day as a case."""
    day = trace(folder, which)
    first, last = np.searchsorted(day.arrival_s, (from_h * 3600, to_h * 3600))
    columns = day.arrival_s[first:last] - from_h * 3600, day.input_tokens[first:last], day.output_tokens[first:last]
    policy = Policy.model_validate({"mode": "auto", "slo": SLOS[which], "replicas": {"min": 1, "max": 40}})
    return Case(which, replace(POOLS[which], lead_times=COLD), policy, Trace(which, *columns), from_h * 3600)


def settings(case: Case) -> Iterator[tuple[str, Case, Contender, Proportional | Quantile]]:
    """Each setting as both take it."""
    for shortage, headroom, window_s in OURS:
        risk = Risk(shortage_usd_per_replica_hour=shortage, headroom=headroom)
        policy = case.policy.model_copy(update={"risk": risk, "scale_in": ScaleIn(window_s=window_s)})
        changed = replace(case, policy=policy)
        name = f"ours ${shortage:g} ×{headroom:g} {window_s:g} s"
        yield name, changed, Ours(changed), Quantile.of(policy, case.pool)
    for target in TARGETS:
        rule = Proportional(target)
        yield f"proportional {target:g}", case, Erlangs(case, rule), rule


def rows_of(folder: Path, which: str, from_h: float, to_h: float, seen: str) -> list[Row]:
    """All settings on one slice."""
    case = case_of(folder, which, from_h, to_h)
    fluid, rows = Fluid(case, foresee(case)), []
    for name, changed, contender, rule in settings(case):
        result = run(changed, contender).row
        hours = result["gpu_hours"] / case.pool.gpus_per_replica
        moves = result["scale_ups"] + result["scale_downs"]
        where = f"{which} {from_h:g}–{to_h:g} h"
        rows.append(Row(where, seen, name, result["attainment"], hours, moves, result["wall_s"], fluid.estimate(rule)))
    return rows


def speed(folder: Path, which: str, count: int = 1000) -> tuple[float, float, float]:
    """Seconds to foresee a day and to pour it, and milliseconds per setting over ``count`` settings."""
    case = case_of(folder, which, 0, 24)
    begun = time.perf_counter()
    outlook: Outlook = foresee(case)
    foreseen = time.perf_counter()
    fluid = Fluid(case, outlook)
    poured = time.perf_counter()
    fluid.estimate(Quantile(0.9))
    first = time.perf_counter()
    for headroom in np.linspace(0.7, 1.4, count):
        fluid.estimate(Quantile(0.9, float(headroom)))
    return foreseen - begun, poured - foreseen, (time.perf_counter() - first) / count * 1000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="Folder with the ServeGen traces.")
    parser.add_argument("--quick", action="store_true", help="The first slice only.")
    asked = parser.parse_args()
    slices = SLICES[:1] if asked.quick else SLICES
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(rows_of, asked.folder, *which) for which in slices]
        rows = [row for job in jobs for row in job.result()]
    console = Console(width=140)
    console.print(table(rows))
    for seen in ("fitted", "new"):
        if errors := [
            (r.estimate.attainment - r.attainment, hours(r) / r.replica_hours - 1) for r in rows if r.seen == seen
        ]:
            points, costs = ([abs(e[i]) * 100 for e in errors] for i in (0, 1))
            console.print(
                f"{seen}: attainment off by {statistics.median(points):.2f} points (median), "
                f"{statistics.mean(points):.2f} (mean), {max(points):.2f} (worst) "
                f"and replica-hours by {statistics.median(costs):.1f} % (median), {max(costs):.1f} % (worst)"
            )
    for which in ("large", "small"):
        outlook_s, pour_s, ms = speed(asked.folder, which)
        console.print(
            f"{which}, a day: foresee {outlook_s:.1f} s and pour {pour_s:.1f} s once, then {ms:.2f} ms a setting"
        )


def hours(row: Row) -> float:
    """The estimate's replica-hours."""
    return row.estimate.replica_s / 3600


def table(rows: list[Row]) -> Table:
    """Side by side."""
    made = Table(title="Fluid against request-level")
    for name in (
        "slice",
        "",
        "setting",
        "attainment",
        "fluid",
        "replica-hours",
        "fluid",
        "moves",
        "fluid",
        "simulated in",
    ):
        made.add_column(name, justify="left" if name in {"slice", "", "setting"} else "right")
    for row in rows:
        e = row.estimate
        made.add_row(
            row.slice,
            row.seen,
            row.setting,
            f"{row.attainment:.2%}",
            f"{e.attainment:.2%}",
            f"{row.replica_hours:.1f}",
            f"{hours(row):.1f}",
            str(row.moves),
            str(e.scale_ups + e.scale_downs),
            f"{row.wall_s:.1f} s",
        )
    return made


if __name__ == "__main__":
    main()
