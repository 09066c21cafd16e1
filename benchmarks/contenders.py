"""Our controller and the peers on the same traffic: the standard cases.

python -m benchmarks.contenders TRACES_FOLDER [--case m-large] [--hours 24] [--seeds 3] [--only hpa,keda-slo]
                                                 [--json FILE]

Everybody has the same replicas, scrapes, lead-time draws, bounds and drain rules. Every contender's one main knob
is tuned on the day before (drawn from the series' minutes: Poisson arrivals, lognormal lengths), for the least cost
at the attainment asked for, and then frozen; ours is the price of being short. Ours also gets the offered load of
the days before, from the same minutes. A seed draws the lead times and the routing anew; ± is the half width of a
95 % confidence interval of the mean over seeds (Student's t). TRACES_FOLDER holds the ServeGen and Azure traces by
their public names.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy import stats

from app.forecasts.wanted import offered_load
from autoscaler.backtest.case import UNDATED_S, Case
from autoscaler.backtest.registry import OURS, PEERS, contender
from autoscaler.backtest.run import run
from autoscaler.policy import Policy, Replicas, Risk, Slo
from forecasting import series as minutes_file
from runtime.catalog import pool, transfer
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier
from runtime.traces import Trace, load

LEADS = {Tier.COLD: LeadTime(120.0, 160.0)}
LENGTH_CV = 1.2
TRAINING_S = 6 * 3600.0
DAY_S = 86400.0
SHORTAGE_USD = (30.0, 100.0, 300.0, 1000.0, 3000.0)
LINE_UP = ("hpa", "keda-slo", "knative", "aibrix-apa", "wva", "dynamo", "ray-serve")


def large() -> Pool:
    """Llama-3.1-70B in FP8 on two H100, measured."""
    return pool("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2", "m-large", 2.69, LEADS)


def small() -> Pool:
    """Llama-3.1-8B in FP8 on one L4, transferred."""
    return transfer("meta-llama/Llama-3.1-8B", "fp8", "L4", 1).pool("m-small", 0.80, LEADS)


def standard(name: str, folder: Path, seconds: float) -> tuple[Case, Case]:
    """The training case and the test case of that name."""
    if name == "azure":
        eight = times_eight(load(folder / "azure-2023-conv.csv"))
        policy = Policy(slo=Slo(ttft_s=2.0, tpot_s=0.05), replicas=Replicas(min=2, max=40))
        half = eight.duration_s / 2
        whole = Case(name, large(), policy, eight, UNDATED_S)
        return whole.until(half), replace(whole, trace=later(eight, half))
    day, served = (9, large()) if name == "m-large" else (7, small())
    slo = Slo(ttft_s=2.0, tpot_s=0.05) if name == "m-large" else Slo(ttft_s=1.0, tpot_s=0.06)
    policy = Policy(slo=slo, replicas=Replicas(min=2, max=40 if name == "m-large" else 60))
    minutes = pd.read_parquet(folder / f"servegen-{name}-minutes.parquet")
    begin_s = UNDATED_S - day * DAY_S
    trained = drawn(minutes, day - 1, served, policy, begin_s, past_days=day - 1)
    test = load(folder / f"servegen-{name}-requests.parquet")
    case = Case(name, served, policy, test, UNDATED_S, past=past(minutes, served, begin_s, day))
    return trained, case.until(seconds)


def times_eight(trace: Trace) -> Trace:
    """Every request eight times, each within a minute of the original."""
    at_s = np.repeat(trace.arrival_s, 8) + 60 * np.random.default_rng(8).random(8 * trace.requests)
    order = np.argsort(at_s)
    inputs, outputs = (np.repeat(tokens, 8)[order] for tokens in (trace.input_tokens, trace.output_tokens))
    return Trace("azure x 8", at_s[order] - at_s.min(), inputs, outputs)


def later(trace: Trace, from_s: float) -> Trace:
    """The trace from that second on."""
    kept = trace.take(trace.arrival_s >= from_s)
    return replace(kept, arrival_s=kept.arrival_s - from_s)


def drawn(minutes: pd.DataFrame, day: int, served: Pool, policy: Policy, begin_s: float, past_days: int) -> Case:
    """The busiest ``TRAINING_S`` of a day, as requests drawn from its minutes."""
    rng = np.random.default_rng(day)
    first = day * 1440
    counts = minutes["requests"].to_numpy(float)[first : first + 1440]
    width = int(TRAINING_S / 60)
    begin = int(np.argmax(np.convolve(np.nan_to_num(counts), np.ones(width), "valid")))
    rows = minutes.iloc[first + begin : first + begin + width].fillna(0)
    n = rng.poisson(rows["requests"].to_numpy(float))
    at_s = np.repeat(np.arange(width) * 60.0, n) + rng.random(n.sum()) * 60
    order = np.argsort(at_s)
    per = np.maximum(rows["requests"].to_numpy(float), 1)
    lengths = [
        lengths_of(rng, np.repeat(rows[column].to_numpy(float) / per, n))
        for column in ("input_tokens", "output_tokens")
    ]
    trace = Trace("training", at_s[order] - at_s.min(), lengths[0][order], lengths[1][order])
    start_s = begin_s + (first + begin) * 60.0
    return Case("training", served, policy, trace, start_s, past=past(minutes, served, begin_s, past_days))


def lengths_of(rng: np.random.Generator, means: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Lognormal lengths about these means, tokens."""
    sigma = np.sqrt(np.log1p(LENGTH_CV**2))
    values = np.maximum(means, 1) * np.exp(sigma * rng.standard_normal(len(means)) - sigma**2 / 2)
    lengths: npt.NDArray[np.int32] = np.clip(np.rint(values), 1, 30_000).astype(np.int32)
    return lengths


def past(minutes: pd.DataFrame, served: Pool, begin_s: float, days: int) -> tuple[Any, Any]:
    """Offered load per minute of the first ``days`` days; a minute that the source lacks is a gap."""
    rows = minutes.iloc[: days * 1440]
    requests, inputs, outputs = (rows[name].to_numpy(float) for name in minutes_file.COLUMNS)
    series = minutes_file.Series("past", 0, np.where(requests > 0, requests, np.nan), inputs, outputs)
    return begin_s + (np.arange(len(rows)) + 1) * 60.0, offered_load(series, served.step)


# --- playing ---------------------------------------------------------------------------------------------------------

_cases: tuple[Case, Case]


def play(task: tuple[bool, str, float | None, int]) -> dict[str, Any]:
    """One contender with one setting and seed, on the training or the test case."""
    training, name, knob, seed = task
    case = replace(_cases[0] if training else _cases[1], seed=seed)
    if name == OURS and knob is not None:
        risk = Risk(shortage_usd_per_replica_hour=knob)
        case = replace(case, policy=case.policy.model_copy(update={"risk": risk}))
    turned = name if name == OURS or knob is None else f"{name}@{knob:g}"
    return run(case, contender(turned, case), name=name).row | {"knob": knob}


def inherit(cases: tuple[Case, Case]) -> None:
    """Take the cases over in a worker."""
    global _cases
    _cases = cases


def best(rows: Iterable[dict[str, Any]], asked: float) -> dict[str, Any]:
    """The cheapest that attains what is asked; where none does, the one that attains most."""
    rows = list(rows)
    good = [row for row in rows if row["attainment"] >= asked]
    if good:
        return min(good, key=lambda row: float(row["cost_usd"]))
    return max(rows, key=lambda row: (round(float(row["attainment"]), 4), -float(row["cost_usd"])))


def main() -> None:
    """Tune, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--case", choices=["m-large", "m-small", "azure"], default="m-large")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="contenders to play, with commas between; ours is always one of them")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started_s = time.perf_counter()
    cases = standard(given.case, given.traces, given.hours * 3600)
    peers = LINE_UP if given.only is None else [name for name in given.only.split(",") if name != OURS]
    settings = {OURS: SHORTAGE_USD, **{name: PEERS[name].knob[1] for name in peers}}
    forking = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), forking, inherit, (cases,)) as pool_of_workers:
        tasks = [(True, name, float(value), 0) for name, values in settings.items() for value in values]
        trained = list(pool_of_workers.map(play, tasks))
        asked = cases[1].policy.slo.attainment
        chosen = {name: best((r for r in trained if r["policy"] == name), asked)["knob"] for name in settings}
        played = [(False, name, knob, seed) for name, knob in chosen.items() for seed in range(given.seeds)]
        rows = list(pool_of_workers.map(play, played))
    report(given.case, cases[1], rows, time.perf_counter() - started_s)
    if given.json:
        given.json.write_text(json.dumps({"training": trained, "test": rows}, indent=1))


def over_seeds(rows: list[dict[str, Any]], figure: Callable[[dict[str, Any]], float], digits: int) -> str:
    """Mean and, where there are several seeds, the half width of its 95 % confidence interval."""
    values = [figure(row) for row in rows]
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"


COLUMNS: dict[str, tuple[Callable[[dict[str, Any]], float], int]] = {
    "attainment %": (lambda row: 100 * row["attainment"], 2),
    "strict %": (lambda row: 100 * row["attainment_strict"], 2),
    "TTFT P99 s": (lambda row: row["ttft_s"]["p99"], 2),
    "TPOT P99 ms": (lambda row: 1000 * row["tpot_s"]["p99"], 0),
    "GPU-hours": (lambda row: row["gpu_hours"], 1),
    "moves": (lambda row: row["scale_ups"] + row["scale_downs"], 0),
}


def report(name: str, case: Case, rows: list[dict[str, Any]], took_s: float) -> None:
    """Print the table; cost is also given against ours."""
    ours = float(np.mean([row["cost_usd"] for row in rows if row["policy"] == OURS]))
    table = Table(title=f"{name}: {len(case.trace.arrival_s):,} requests on {case.pool.name}, {took_s:.0f} s in all")
    for column in ("contender", "knob", *COLUMNS, "cost / ours"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for contender_name in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == contender_name]
        cells = [over_seeds(own, figure, digits) for figure, digits in COLUMNS.values()]
        cost = np.mean([row["cost_usd"] for row in own]) / ours
        table.add_row(contender_name, f"{own[0]['knob']:g}", *cells, f"{cost:.3f}")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
