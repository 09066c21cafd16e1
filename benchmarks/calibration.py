"""The llm-d staged ramp: does a published result come out of our simulator, without being made to?

python -m benchmarks.calibration [--seeds 5]

Published (llm-d, guide of the SLO-aware KEDA recipe): Qwen3-32B on H100 TP2, 4,000 input and 1,000 output tokens, 2
requests/s for 330 s, then 4, 6, 8, 10 for 360 s each, 4 for 360 s, 1 for 300 s; start about 100 s; targets 3 s and
100 ms; 3 to 8 replicas: 95.8 % of requests within both targets at 5.93 replicas on average; static 8: 100 %.

"quick" is ours with a scale-in window of 60 s and a cooldown of 15 s, "bold" takes 15 % off its forecast besides;
"standby" is quick with spare replicas, loaded and out of rotation, whose GPUs others use for 70 % of their price.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import UNDATED_S, Case
from autoscaler.backtest.registry import contender
from autoscaler.backtest.run import run
from autoscaler.policy import Policy, Replicas, Risk, ScaleIn, Slo
from runtime.catalog import pool
from runtime.pool import LeadTime
from runtime.replica import Tier
from runtime.traces import Trace

STAGES = ((2.0, 330.0), (4.0, 360.0), (6.0, 360.0), (8.0, 360.0), (10.0, 360.0), (4.0, 360.0), (1.0, 300.0))
INPUT_TOKENS, OUTPUT_TOKENS = 4000, 1000
ENTRY = "vllm/Qwen/Qwen3-32B/bf16/H100-SXM/tp2@0.12.0"
LEADS = {Tier.COLD: LeadTime(100.0, 100.0)}
QUICK = {"scale_in": ScaleIn(window_s=60.0, cooldown_s=15.0)}
STANDBY = LEADS | {Tier.STANDBY: LeadTime(0.5, 1.0)}


@dataclass(frozen=True, slots=True)
class Row:
    """A contender, the fewest replicas it may have, and what its policy says besides."""

    label: str
    name: str = "leadtime"
    least: int = 3
    terms: Mapping[str, Any] = field(default_factory=dict)
    standby: bool = False


ROWS = (
    Row("static 8", least=8),
    Row("keda-slo", "keda-slo"),
    Row("hpa@32", "hpa@32"),
    Row("leadtime"),
    Row("leadtime, quick", terms=QUICK),
    Row("leadtime, bold", terms=QUICK | {"risk": Risk(headroom=0.85)}),
    Row("leadtime, standby", terms=QUICK | {"risk": Risk(shortage_usd_per_replica_hour=30.0)}, standby=True),
)


def ramp(seed: int) -> Trace:
    """Poisson arrivals in each stage, constant lengths."""
    rng = np.random.default_rng(seed)
    parts, start_s = [], 0.0
    for rate, seconds in STAGES:
        parts.append(start_s + np.sort(rng.random(rng.poisson(rate * seconds))) * seconds)
        start_s += seconds
    arrival_s = np.concatenate(parts)
    count = len(arrival_s)
    return Trace(
        "ramp", arrival_s, np.full(count, INPUT_TOKENS, np.int32), np.full(count, OUTPUT_TOKENS, np.int32), None
    )


def play(row: Row, seed: int) -> dict[str, Any]:
    """One contender on one draw of the ramp."""
    policy = Policy(slo=Slo(ttft_s=3.0, tpot_s=0.1), replicas=Replicas(min=row.least, max=8), **row.terms)
    served = pool(ENTRY, "qwen", 2.69, STANDBY if row.standby else LEADS)
    if row.standby:
        served = replace(served, holding_share={Tier.STANDBY: 0.3})
    case = Case("ramp", served, policy, ramp(seed), UNDATED_S, seed)
    played = run(case, contender(row.name, case)).row
    seconds = sum(seconds for _, seconds in STAGES)
    return played | {"billed": played["gpu_hours"] / served.gpus_per_replica * 3600 / max(seconds, played["elapsed_s"])}


def spread(values: list[float], unit: float = 1.0) -> str:
    """Mean and 95 % interval over the seeds."""
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{statistics.mean(values) * unit:.2f} ± {half * unit:.2f}"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    table = Table(title=f"llm-d staged ramp, {len(seeds)} seeds; published: keda-slo 95.8 % at 5.93, static 8 100 %")
    columns = (
        "contender",
        "both targets %",
        "deadline form %",
        "existing replicas",
        "cost $",
        "TTFT P90 s",
        "TPOT P90 ms",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "contender" else "right")
    for each in ROWS:
        rows = [play(each, seed) for seed in seeds]
        table.add_row(
            each.label,
            spread([r["attainment_strict"] for r in rows], 100),
            spread([r["attainment"] for r in rows], 100),
            spread([r["billed"] for r in rows]),
            spread([r["cost_usd"] for r in rows]),
            spread([r["ttft_s"]["p90"] for r in rows]),
            spread([r["tpot_s"]["p90"] for r in rows], 1000),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
