"""Faults in the loop: the same morning with something going wrong at its peak, for ours, HPA and KEDA.

python -m benchmarks.faults [--only leadtime,hpa] [--case blackout] [--json FILE]

Six hours of the built-in synthetic chat service (its peak rises from 09:05 to 09:40 UTC), Llama-3.1-70B FP8 on 2 H100,
cold start 120 s, three days of past. Faults begin at 09:30. HPA aims at 32 requests per replica; KEDA runs the
SLO-aware law, and its usual trigger on running requests. "scale-ins" counts falls of the wanted replicas from minute to
minute while metrics were gone; "lost" are requests that died with a replica: no scale-in aborts any.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest import faults
from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Contender, Ours
from autoscaler.backtest.faults import Fault, Inverted
from autoscaler.backtest.registry import OURS, contender
from autoscaler.backtest.run import run
from autoscaler.policy import Policy, Replicas, Slo
from runtime.catalog import pool
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier
from runtime.simulated.workload import SyntheticWorkload, default_services
from runtime.traces import Trace

START_S = datetime(2026, 11, 23, 6, 30, tzinfo=UTC).timestamp()
HOURS = 6.0
AT_S = 3 * 3600.0
"""The fault begins at 09:30."""

LINE_UP = (OURS, "hpa@32", "keda-slo", "keda@32")
PAST_HOURS = 72.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong: to the fleet, to the traffic, to the forecast."""

    script: Callable[[str], Sequence[Fault]] = lambda pool: ()
    traffic: Callable[[Trace], Trace] = lambda trace: trace
    inverted: bool = False
    dark_s: float = 0.0


TROUBLES = {
    "none": Trouble(),
    "deaths": Trouble(lambda pool: [faults.deaths(AT_S, 0.1), faults.deaths(AT_S + 600, 0.1, 1)]),
    "sold out": Trouble(lambda pool: [faults.sold_out(AT_S - 1800, 3600.0, pool)]),
    "blackout": Trouble(lambda pool: [faults.blackout(AT_S, 900.0)], dark_s=900.0),
    "rate x5": Trouble(traffic=lambda trace: faults.step(trace, AT_S - 7200, AT_S - 6600, 5)),
    "prompts x3": Trouble(traffic=lambda trace: faults.longer(trace, AT_S, 3.0)),
    "spot reclaim": Trouble(lambda pool: [faults.reclaim(AT_S, 0.5, pool)]),
    "inverted": Trouble(inverted=True),
}


def served() -> Pool:
    """Llama-3.1-70B in FP8 on two H100, measured; the provider may take it back."""
    leads = {Tier.COLD: LeadTime(120.0, 160.0)}
    return replace(pool("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2", "chat", 2.69, leads), spot=True)


def morning() -> Case:
    """The chat service of the built-in workload, and its past."""
    workload = SyntheticWorkload(default_services(), START_S, seed=1)
    arrivals = workload.arrivals(START_S, START_S + HOURS * 3600)
    own = arrivals.service == workload.services.index("chat")
    trace = Trace("morning", arrivals.arrival_s[own] - START_S, arrivals.input_tokens[own], arrivals.output_tokens[own])
    law, minutes = served().step, np.array(workload.past(PAST_HOURS)["chat"])
    load = [rps * law.work_ms(inputs, outputs) / 1000 for _, rps, inputs, outputs in minutes]
    policy = Policy(slo=Slo(ttft_s=2.0, tpot_s=0.05), replicas=Replicas(min=2, max=60))
    return Case("morning", served(), policy, trace, START_S, past=(minutes[:, 0], np.array(load)))


def play(task: tuple[str, str]) -> dict[str, Any]:
    """One contender in one trouble."""
    what, name = task
    trouble, case = TROUBLES[what], morning()
    case = replace(case, trace=trouble.traffic(case.trace))
    result = run(case, _contender(name, case, trouble), name=name, script=trouble.script(case.pool.name))
    wanted = [w for since_s, _, w in result.timeline if AT_S < since_s <= AT_S + trouble.dark_s]
    falls = sum(after < before for before, after in pairwise(wanted))
    return result.row | {"trouble": what, "scale_ins_in_the_dark": falls if trouble.dark_s else None}


def _contender(name: str, case: Case, trouble: Trouble) -> Contender:
    if name == OURS and trouble.inverted:
        return Ours(case, Inverted(case.pool.service))
    return contender(name, case)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(TROUBLES))
    parser.add_argument("--only", default=",".join(LINE_UP))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    chosen = [given.case] if given.case else list(TROUBLES)
    tasks = [
        (what, name)
        for what in chosen
        for name in given.only.split(",")
        if name == OURS or not TROUBLES[what].inverted  # peers have no forecast to invert
    ]
    with ProcessPoolExecutor() as workers:
        rows = list(workers.map(play, tasks))
    table = Table(title="one morning, 06:30 to 12:30, trouble from 09:30")
    for column in ("trouble", "contender", "attainment %", "GPU-hours", "lost", "rejected", "scale-ins in the dark"):
        table.add_column(column, justify="left" if column in ("trouble", "contender") else "right")
    for row in rows:
        falls = row["scale_ins_in_the_dark"]
        table.add_row(
            row["trouble"],
            row["policy"],
            f"{row['attainment'] * 100:.2f}",
            f"{row['gpu_hours']:.1f}",
            f"{row['lost']}",
            f"{row['rejected']}",
            "" if falls is None else f"{falls}",
        )
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
