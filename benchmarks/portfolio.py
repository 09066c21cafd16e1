"""Several services on one cluster: apart, as every peer scales them, and together on GPUs that they share.

python -m benchmarks.portfolio TRACES_FOLDER [--case four|tail] [--hours 24] [--seeds 3] [--only hpa,keda-slo]
                                                [--part both|together|apart] [--untuned] [--idle 60]
                                                [--shortages 10,30,100] [--json FILE] [--jobs N]
                                                [--kept FOLDER] [--as-of LABEL]

``four``: ServeGen m-small (Llama-3.1-8B FP8 on one H100) and three services made of the clients of m-large, in groups
of like work (Llama-3.1-70B FP8 on two H100), one day, cold start 180 s. ``tail``: twelve single clients of m-large of
0.02 to 0.3 erlangs, those whose load jumps about most from minute to minute, each a service of its own.

Apart: every contender scales each service by itself; its main knob is tuned, service by service, on the six busiest
hours of the day before (for the tail, which has no day before of its own: on the first six hours of the day) for the
least cost at the attainment asked for, and frozen. Together: ours for each service, one rack of H100 on which all
models sleep (wake P50 3 s, P90 6 s; more GPUs take the cold start), held for what all may need within the cold start.
"cost $" counts every GPU that is held in full; "lent $" those that nobody is awake on at 30 % of their price, for
preemptible batch pays the rest. Attainment is over all requests; ``worst`` is that of the service with the least.
Runs apart are kept as they end (``benchmarks/keeping.py``).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import UNDATED_S, Case, offered_load
from autoscaler.backtest.registry import OURS, PEERS, contender, least_of
from autoscaler.backtest.run import run
from autoscaler.backtest.together import Portfolio, Together, play
from autoscaler.policy import Policy, Replicas, Risk, ScaleIn, ScaleOut, Slo, Tuning, TuningMode
from autoscaler.sharing.rack import RackPolicy
from benchmarks import equal, keeping
from benchmarks.contenders import DAY_S, SHORTAGE_USD, best, drawn, over_seeds, past
from runtime.catalog import pool, transfer
from runtime.pool import LeadTime, Pool
from runtime.rack import Rack
from runtime.replica import Tier
from runtime.simulated.noise import Floats
from runtime.traces import Trace, load
from runtime.traces.trace import Keys

COLD = {Tier.COLD: LeadTime(180.0, 240.0)}
WAKE = {Tier.ASLEEP: LeadTime(3.0, 6.0)}
USD = 2.69
LINE_UP = ("hpa", "keda-slo", "knative", "ray-serve")
TAIL = 12
TAIL_ERLANGS = (0.02, 0.3)
FEWEST = 1000
"""Requests after the first hours that a client must have: a service that nobody calls is no test."""
TRAINING_S = 6 * 3600.0
LENT = 0.3
RACK_GPUS = 128
SELF_TUNING = "leadtime from there"
"""Ours with the knob that training left, tuning itself from there."""
SHORTAGES = "10,30,100"


def large() -> Pool:
    """Llama-3.1-70B in FP8 on two H100, measured."""
    return pool("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2", "large", USD, COLD)


def small() -> Pool:
    """Llama-3.1-8B in FP8 on one H100, transferred."""
    return transfer("meta-llama/Llama-3.1-8B", "fp8", "H100-SXM", 1).pool("small", USD, COLD)


# --- services ------------------------------------------------------------------------------------------------------


def four(folder: Path, seconds: float) -> list[tuple[Case, Case]]:
    """(training, test) of each of the four services."""
    slo = Slo(ttft_s=2.0, tpot_s=0.05)
    pairs = []
    whole = load(folder / "servegen-m-large-requests.parquet")
    minutes = pd.read_parquet(folder / "servegen-m-large-minutes.parquet")
    for i, (clients, share) in enumerate(groups(whole, 3)):
        served = named(large(), f"large-{'abc'[i]}")
        policy = Policy(slo=slo, replicas=Replicas(min=1, max=20))
        trace = whole.take(np.isin(clients_of(whole), clients) & (whole.arrival_s < seconds))
        pairs.append(days(scaled(minutes, share), 9, served, policy, trace))
    day = load(folder / "servegen-m-small-requests.parquet")
    policy = Policy(slo=Slo(ttft_s=1.0, tpot_s=0.05), replicas=Replicas(min=1, max=20))
    rows = pd.read_parquet(folder / "servegen-m-small-minutes.parquet")
    pairs.append(days(rows, 7, named(small(), "small"), policy, day.take(day.arrival_s < seconds)))
    return pairs


def groups(trace: Trace, count: int) -> list[tuple[list[int], float]]:
    """Clients in so many groups of like work, with each group's share of the requests: the largest first, each to the
    group that has least.
    """
    tokens = trace.input_tokens.astype(float) + 4.0 * trace.output_tokens
    per_client = np.bincount(clients_of(trace), tokens)
    requests = np.bincount(clients_of(trace))
    members: list[list[int]] = [[] for _ in range(count)]
    sums = np.zeros(count)
    for client in np.argsort(-per_client).tolist():
        least = int(np.argmin(sums))
        members[least].append(client)
        sums[least] += per_client[client]
    return [(each, float(requests[each].sum() / trace.requests)) for each in members]


def clients_of(trace: Trace) -> Keys:
    """Who sent each request. Raises ValueError for a trace that does not tell."""
    if trace.client is None:
        raise ValueError(f"{trace.name} has no column client; give a trace that tells clients apart")
    return trace.client


def scaled(minutes: pd.DataFrame, share: float) -> pd.DataFrame:
    """The minutes of a service that had this share of the traffic, whose clients are not told apart there."""
    return minutes.assign(**{name: minutes[name] * share for name in ("requests", "input_tokens", "output_tokens")})


def days(minutes: pd.DataFrame, day: int, served: Pool, policy: Policy, trace: Trace) -> tuple[Case, Case]:
    """The day before, drawn from its minutes, and the day itself."""
    begin_s = UNDATED_S - day * DAY_S
    training = drawn(minutes, day - 1, served, policy, begin_s, past_days=day - 1)
    return training, Case(served.name, served, policy, trace, UNDATED_S, past=past(minutes, served, begin_s, day))


def tail(folder: Path, seconds: float) -> list[tuple[Case, Case]]:
    """Twelve clients of little traffic: the first hours to tune on, the rest to be judged by."""
    whole = load(folder / "servegen-m-large-requests.parquet")
    policy = Policy(
        slo=Slo(ttft_s=4.0, tpot_s=0.05),
        replicas=Replicas(min=1, max=16),
    )
    found = []
    for client in np.unique(clients_of(whole)).tolist():
        trace = whole.take(clients_of(whole) == client)
        if (trace.arrival_s >= TRAINING_S).sum() < FEWEST:
            continue
        minutes = offered_load(large(), trace, 60.0)
        mean = minutes.sum() * 60.0 / DAY_S
        if TAIL_ERLANGS[0] <= mean <= TAIL_ERLANGS[1]:
            found.append((float(minutes.std() / mean), client, trace))
    pairs = []
    for _, client, trace in sorted(found, reverse=True, key=lambda f: f[0])[:TAIL]:
        served = named(large(), f"client-{client:03d}")
        first = trace.take(trace.arrival_s < TRAINING_S)
        rest = trace.take((trace.arrival_s >= TRAINING_S) & (trace.arrival_s < seconds))
        rest = replace(rest, arrival_s=rest.arrival_s - TRAINING_S)
        load_before = offered_load(served, first, 60.0) if first.requests else np.zeros(1)
        known = np.zeros(int(TRAINING_S / 60))
        known[: len(load_before)] = load_before
        times: Floats = UNDATED_S + 60.0 * np.arange(1.0, len(known) + 1)
        test = Case(served.name, served, policy, rest, UNDATED_S + TRAINING_S, past=(times, known))
        pairs.append((Case("training", served, policy, first, UNDATED_S), test))
    return pairs


def named(served: Pool, name: str) -> Pool:
    """The pool as that of a service with a name of its own."""
    return replace(served, name=name, service=name)


# --- apart ---------------------------------------------------------------------------------------------------------

_pairs: Sequence[tuple[Case, Case]]


def inherit(pairs: Sequence[tuple[Case, Case]]) -> None:
    """Take the cases over in a worker."""
    global _pairs
    _pairs = pairs


@dataclass(frozen=True, slots=True)
class Alone:
    """One service scaled by one contender with one knob (None: its default)."""

    case: str
    hours: float
    service: int
    training: bool
    who: str
    knob: float | None
    seed: int


def alone(task: Alone) -> dict[str, Any]:
    """The row of one run."""
    name, knob, index = task.who, task.knob, task.service
    case = replace(_pairs[index][0 if task.training else 1], seed=task.seed)
    if case.trace.requests == 0:
        return {"policy": name, "knob": knob, "service": index, "attainment": 1.0, "cost_usd": 0.0, "requests": 0}
    if name in (OURS, SELF_TUNING) and knob is not None:
        changes = {"risk": Risk(shortage_usd_per_replica_hour=knob)}
        tuning = {"tuning": Tuning(mode=TuningMode.AUTO)} if name == SELF_TUNING else {}
        case = replace(case, policy=case.policy.model_copy(update=changes | tuning))
    ours = name in (OURS, SELF_TUNING)
    turned = OURS if ours else name if knob is None else f"{name}@{knob:g}"
    return run(case, contender(turned, case), name=name).row | {"knob": knob, "service": index, "seed": task.seed}


def apart(pairs: Sequence[tuple[Case, Case]], names: Sequence[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Every contender on every service, tuned and at its default; one summed row a contender and seed."""
    services, asked = range(len(pairs)), pairs[0][1].policy.slo.attainment
    tuned_names = () if given.untuned else names
    settings = {name: SHORTAGE_USD if name == OURS else PEERS[name].knob[1] for name in tuned_names}

    def rows(tasks: Sequence[tuple[int, bool, str, float | None, int]]) -> list[dict[str, Any]]:
        wanted = [Alone(given.case, given.hours, *task) for task in tasks]
        return keeping.of(given).rows(wanted, alone, inherit, lambda: (pairs,))

    trained = rows([(i, True, n, float(k), 0) for n, knobs in settings.items() for k in knobs for i in services])
    chosen = {
        (n, i): best((r for r in trained if r["policy"] == n and r["service"] == i), asked)["knob"]
        for n in tuned_names
        for i in services
    }
    seeds = range(given.seeds)
    tuned = [(i, False, n, chosen[n, i], seed) for n in tuned_names for i in services for seed in seeds]
    tuned += [(i, False, SELF_TUNING, chosen[OURS, i], s) for i in services for s in seeds if OURS in tuned_names]
    plain = [(i, False, n, None, seed) for n in names for i in services for seed in seeds]
    played = dict(zip(tuned + plain, rows(tuned + plain), strict=True))
    for name in (name for name in tuned_names if name != OURS):
        found = []
        for i, (_, test) in enumerate(pairs):
            own = played[i, False, OURS, chosen[OURS, i], 0]
            target = own["attainment"]
            at = partial(lambda service, who, knob: rows([(service, False, who, knob, 0)])[0], i, name)
            walked = equal.walked(settings[name], chosen[name, i], target, at)
            found.append((test.name, own, equal.cost_at(walked, target)))
        same(name, found)
    made = played.items()
    by: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for (_, _, name, knob, seed), row in made:
        by.setdefault((f"{name}, {'default' if knob is None else 'tuned'}", seed), []).append(row)
    return [summed(name, seed, each) for (name, seed), each in by.items()]


def same(name: str, told: Sequence[tuple[str, dict[str, Any], tuple[str, float] | None]]) -> None:
    """What a peer would hold for every service at the attainment that ours has there, and ours; ``≥`` what attains less
    yet.
    """
    hours = [(sign, least) for _, _, found in told for sign, least in [found or ("<", 0.0)]]
    parts = [
        f"{case} {100 * own['attainment']:.2f} %: {sign}{least:.1f}, ours {own['gpu_hours']:.1f}"
        for (case, own, _), (sign, least) in zip(told, hours, strict=True)
    ]
    total = sum(least for _, least in hours)
    Console().print(f"{name}, each service at the attainment of ours: {total:.1f} GPU-hours ({'; '.join(parts)})")


def summed(name: str, seed: int, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All services of one contender and seed."""
    rows = [row for row in rows if row["requests"]]
    requests = sum(row["requests"] for row in rows)
    return {
        "policy": name,
        "seed": seed,
        "attainment": sum(row["attainment"] * row["requests"] for row in rows) / requests,
        "worst": min(row["attainment"] for row in rows),
        "gpu_hours": sum(row["gpu_hours"] for row in rows),
        "cost_usd": sum(row["cost_usd"] for row in rows),
        "lost": sum(row["lost"] + row["rejected"] for row in rows),
        "requests": requests,
    }


# --- together ------------------------------------------------------------------------------------------------------


def shared(task: tuple[float, int, float | None]) -> dict[str, Any]:
    """All services of ours on one rack, at that price of being short; ``idle_s`` without a request and one sleeps."""
    shortage, seed, idle_s = task
    cases = tuple(resident(test, shortage, idle_s) for _, test in _pairs)
    to_zero = idle_s is not None
    first = sum(case.first_replicas() * case.pool.gpus_per_replica for case in cases)
    rack = Rack("h100", cases[0].pool.gpu, USD, 4 if to_zero else first, RACK_GPUS, LeadTime(180.0, 240.0))
    policy = RackPolicy(shortage_usd_per_gpu_hour=shortage, min_idle_gpus=2 if to_zero else 0)
    return one_row(play(Portfolio(cases, rack, policy, seed)), shortage, seed)


def resident(case: Case, shortage: float, idle_s: float | None) -> Case:
    """The case with its model asleep on every GPU of the rack."""
    policy = case.policy.model_copy(update={"risk": Risk(shortage_usd_per_replica_hour=shortage)})
    if idle_s is not None:
        bounds = Replicas(min=0, max=case.policy.replicas.max, idle_s=idle_s)
        quick_in, quick_out = ScaleIn(window_s=60.0, cooldown_s=15.0), ScaleOut(max_step=16, max_factor=4.0)
        policy = policy.model_copy(update={"replicas": bounds, "scale_in": quick_in, "scale_out": quick_out})
    return replace(case, policy=policy, pool=replace(case.pool, lead_times=WAKE))


def one_row(played: Together, shortage: float, seed: int) -> dict[str, Any]:
    """Services and rack in one row; idle GPUs are the rack's."""
    row = summed(f"leadtime together, ${shortage:g}", seed, played.rows)
    row["gpu_hours"] = played.rack["held_gpu_hours"]
    row["lent_gpu_hours"] = played.rack["lent_gpu_hours"]
    row["lent_cost_usd"] = row["cost_usd"] + played.rack["idle_cost_usd"] * LENT
    row["cost_usd"] += played.rack["idle_cost_usd"]
    return row | {"services": list(played.rows)}


def together(
    pairs: Sequence[tuple[Case, Case]], shortages: Sequence[float], seeds: int, idle_s: float | None
) -> list[dict[str, Any]]:
    """Ours at several prices of being short."""
    forking = multiprocessing.get_context("fork")
    tasks = [(usd, seed, idle_s) for usd in shortages for seed in range(seeds)]
    with ProcessPoolExecutor(os.cpu_count(), forking, inherit, (pairs,)) as workers:
        return list(workers.map(shared, tasks))


# --- told ----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Play apart, play together, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--case", choices=["four", "tail"], default="four")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="peers to play, with commas between; ours apart is always one of them")
    parser.add_argument("--untuned", action="store_true", help="contenders apart at their defaults only")
    parser.add_argument("--part", choices=["both", "together", "apart"], default="both")
    parser.add_argument("--idle", type=float, default=60.0, help="tail: seconds without a request until one sleeps")
    parser.add_argument("--shortages", default=SHORTAGES, help="together: prices of being short, $ per GPU-hour")
    parser.add_argument("--json", type=Path)
    keeping.asked(parser, "portfolio", jobs=os.cpu_count() or 1)
    given = parser.parse_args()
    started_s = time.perf_counter()
    pairs = {"four": four, "tail": tail}[given.case](given.traces, given.hours * 3600)
    peers = LINE_UP if given.only is None else [n for n in given.only.split(",") if n != OURS]
    rows = []
    if given.part != "apart":
        shortages = [float(usd) for usd in given.shortages.split(",")]
        rows += together(pairs, shortages, given.seeds, given.idle if given.case == "tail" else None)
    if given.part != "together":
        rows += apart(pairs, [*peers, OURS], given)
    report(given.case, pairs, rows, time.perf_counter() - started_s)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def report(name: str, pairs: Sequence[tuple[Case, Case]], rows: list[dict[str, Any]], took_s: float) -> None:
    """One line a contender, and what would have been the least for each service in hindsight."""
    console = Console()
    seeds = 1 + max(row["seed"] for row in rows)
    bound = sum(least_of(test).replica_s * test.pool.gpus_per_replica for _, test in pairs) / 3600
    table = Table(title=f"{name}: {len(pairs)} services, {rows[0]['requests']:,} requests, {seeds} seeds")
    for column in ("contender", "attainment %", "worst %", "GPU-hours", "lent", "cost $", "lent $", "lost"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for policy in dict.fromkeys(row["policy"] for row in rows):
        each = [row for row in rows if row["policy"] == policy]
        table.add_row(
            policy,
            over_seeds(each, lambda r: r["attainment"] * 100, 2),
            over_seeds(each, lambda r: r["worst"] * 100, 2),
            over_seeds(each, lambda r: r["gpu_hours"], 1),
            over_seeds(each, lambda r: r["lent_gpu_hours"], 1) if "lent_gpu_hours" in each[0] else "",
            over_seeds(each, lambda r: r["cost_usd"], 0),
            over_seeds(each, lambda r: r["lent_cost_usd"], 0) if "lent_cost_usd" in each[0] else "",
            over_seeds(each, lambda r: r["lost"], 0),
        )
    console.print(table)
    console.print(f"clairvoyant, each service apart: {bound:.1f} GPU-hours; {took_s:.0f} s")


if __name__ == "__main__":
    main()
