"""Unlike hardware, on demand and spot, with reclaims: what several pools save, and what it costs those they serve.

python -m benchmarks.mixed TRACES_FOLDER [--hours 3] [--seeds 1] [--from-hour 8] [--json FILE]

One service (ServeGen m-large, Llama-3.1-70B FP8) on five pools: two H100, one H200 or eight L4 on demand, and H100 and
H200 on spot at the shares of the list price in ``SPOT``. Each spot market is reclaimed now and then (at random, every
``RECLAIM_EVERY_S`` on average, all of it, two minutes' notice) and is then sold out for ``SOLD_OUT_S``. Contenders:

- ours on the H100 on demand alone;
- ours on all five pools;
- llm-d WVA (second version) with its cost-aware rule over the same five variants, each behind its chart's HPA.

Each is played with every setting of its knob (headroom; the KV threshold), and the cheapest setting that
attains 99 % is shown, else the one that attains most. Routers know how fast each replica is ("weighted").
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import UNDATED_S, Case
from autoscaler.backtest.contenders import SCRAPE_S
from autoscaler.controller import Look, Mind, consider
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.peers.wva import Analysis, ChartHpa, Config, Record, SchedulerQueue, Variant, analyse
from autoscaler.peers.wva import Replica as Reported
from autoscaler.peers.wva_pipeline import Offer, cost_aware
from autoscaler.policy import Mode, Policy, Replicas, Risk, Slo
from benchmarks.contenders import best
from collectors.aggregate import LengthMemory, observe
from collectors.observation import Scrape
from forecasting.forecaster import Forecaster
from runtime.catalog import transfer
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.samples import scrape
from runtime.simulated.summary import pools, summarise
from runtime.simulated.workload import TraceWorkload
from runtime.simulated.world import World
from runtime.traces import Trace, load

USD = {"H100-SXM": 2.69, "H200-SXM": 3.59, "L4": 0.80}
SPOT = {"H100-SXM": 0.5, "H200-SXM": 0.42}
COLD = {Tier.COLD: LeadTime(120.0, 180.0)}
GPUS = {"H100-SXM": 2, "H200-SXM": 1, "L4": 8}
SERVICE = "large"
MODEL = "meta-llama/Llama-3.1-70B"
RECLAIM_EVERY_S, NOTICE_S, SOLD_OUT_S = 8 * 3600.0, 120.0, 1800.0
HEADROOMS = (0.9, 1.0, 1.1, 1.2)
THRESHOLDS = (0.1, 0.15, 0.2, 0.4)
ASKED = 0.99
TAIL_S = 3600.0
POLICY = Policy(mode=Mode.AUTO, slo=Slo(ttft_s=2.0, tpot_s=0.05), replicas=Replicas(min=1, max=30))


class Scaler(Protocol):
    """Sets targets at every tick."""

    def act(self, world: World) -> None:
        """One tick."""
        ...


def one_pool() -> tuple[Pool, ...]:
    """The reference alone: H100 on demand."""
    return (_pool("H100-SXM"),)


def all_pools() -> tuple[Pool, ...]:
    """On demand first, the reference first of all."""
    return tuple(_pool(gpu) for gpu in USD) + tuple(_pool(gpu, share) for gpu, share in SPOT.items())


def _pool(gpu: str, spot: float | None = None) -> Pool:
    name = f"{gpu}-{'spot' if spot else 'on-demand'}"
    price = USD[gpu] * (spot or 1.0)
    return replace(transfer(MODEL, "fp8", gpu, GPUS[gpu]).pool(SERVICE, price, COLD), name=name, spot=bool(spot))


class Ours:
    """The controller on all the pools it is given."""

    def __init__(self, made_of: Sequence[Pool], headroom: float, at_s: float) -> None:
        self._policy = POLICY.model_copy(update={"risk": Risk(headroom=headroom)})
        more = tuple(Branch(pool) for pool in made_of[1:])
        self._control = ControlState(SERVICE, made_of[0], TierCounts(), at_s - 3600.0, more=more)
        self._mind = Mind(Forecaster(SERVICE))
        self._previous: Scrape | None = None

    def act(self, world: World) -> None:
        """Observe, decide, carry out."""
        seen = scrape(world)
        look = Look(world.now_s, tuple(world.view("")), tuple(world.replicas.lead_times), seen)
        done = consider(self._control, self._policy, self._mind, look, self._previous)
        self._control, self._mind.lengths, self._previous = done.decision.next_state, done.lengths, seen
        world.set_targets(done.decision.plan.targets)


class Wva:
    """WVA's analyser over all variants every minute, its cost-aware rule, and one chart HPA per variant."""

    def __init__(self, made_of: Sequence[Pool], threshold: float, first: int) -> None:
        self._pools = {pool.name: pool for pool in made_of}
        self._config = Config(kv_threshold=threshold)
        self._desired = dict.fromkeys(self._pools, 0) | {made_of[0].name: first}
        self._wish = dict(self._desired)
        self._hpa = dict.fromkeys(self._pools, ChartHpa())
        self._records = {name: _record(pool) for name, pool in self._pools.items()}
        self._analysis: Analysis | None = None
        self._lengths = LengthMemory()
        self._previous: Scrape | None = None
        self._next_s = -math.inf

    def act(self, world: World) -> None:
        """The HPAs look every 15 s, the analyser every 60."""
        seen = scrape(world)
        if world.now_s >= self._next_s:
            self._wish, self._next_s = self._optimise(world, seen), world.now_s + 60.0
            self._previous = seen
        for name in self._pools:
            args = world.now_s, self._desired[name], self._wish[name], 0, POLICY.replicas.max
            self._desired[name], self._hpa[name] = self._hpa[name].step(*args)
        world.set_targets([PoolTarget(SERVICE, name, count) for name, count in self._desired.items()])

    def _optimise(self, world: World, seen: Scrape) -> dict[str, int]:
        told, self._lengths = observe(SERVICE, list(seen.replicas), self._previous, seen, self._lengths)
        lengths = told.mean_input_tokens or 0.0, told.mean_output_tokens or 0.0
        serving = [r for r in world.replicas.by_name.values() if r.serving and r.name in seen.replicas]
        reported = []
        for one in serving:
            sample, size = seen.replicas[one.name], one.lane.pool.kv_tokens
            used = (sample.kv_usage_ratio or 0.0) * size
            name = one.lane.pool.name
            reported.append(Reported(name, one.lane.pool.gpu, used, size, sample.waiting or 0.0, *lengths))
        ready = {name: sum(one.variant == name for one in reported) for name in self._pools}
        variants = [Variant(n, self._desired[n], max(0, self._desired[n] - ready[n])) for n in self._pools]
        queue = SchedulerQueue(int(told.held or 0))
        history = self._analysis.history if self._analysis else None
        found = analyse(
            self._config, reported, variants, store=list(self._records.values()), queue=queue, history=history
        )
        self._analysis = found
        for name in self._pools:
            if ready[name]:
                self._records[name] = replace(self._records[name], capacity=found.capacity[name], live=True)
        offers = [
            Offer(name, pool.replica_usd_per_hour, found.capacity[name], self._desired[name])
            for name, pool in self._pools.items()
        ]
        wish = cost_aware(found.required, found.spare, offers)
        return {name: min(count, POLICY.replicas.max) for name, count in wish.items()}


def _record(pool: Pool) -> Record:
    batched = pool.max_batched_tokens
    return Record(
        pool.name, pool.gpu, pool.gpus_per_replica, batched, pool.kv_tokens, batched, pool.max_num_seqs, "", False
    )


def reclaims(made_of: Sequence[Pool], seconds: float, seed: int) -> list[tuple[float, str]]:
    """When which spot pool is taken back: (seconds from the start, pool), in order; alike for everybody."""
    rng = np.random.default_rng(seed)
    events = []
    for pool in made_of:
        at_s = float(rng.exponential(RECLAIM_EVERY_S))
        while pool.spot and at_s < seconds:
            events.append((at_s, pool.name))
            at_s += SOLD_OUT_S + float(rng.exponential(RECLAIM_EVERY_S))
    return sorted(events)


def play(task: tuple[str, float, Trace, int]) -> dict[str, Any]:
    """One contender with one setting and seed."""
    name, knob, trace, seed = task
    made_of = one_pool() if name == "ours, H100 on demand" else all_pools()
    case = Case(SERVICE, made_of[0], POLICY, trace, UNDATED_S, seed)
    slo, first = POLICY.slo, case.first_replicas()
    target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    service = SimulatedService(SERVICE, made_of[0], target, first, 40, more_pools=made_of[1:])
    world = World([service], TraceWorkload(trace, SERVICE, UNDATED_S), seed, router="weighted")
    world.slice_s = SCRAPE_S
    scaler: Scaler = Wva(made_of, knob, first) if name.startswith("wva") else Ours(made_of, knob, UNDATED_S)
    events = reclaims(made_of, float(trace.arrival_s[-1]), seed)
    until_s, tick = (world.workload.end_s or UNDATED_S) + TAIL_S, 0
    while not world.finished and world.now_s < until_s:
        tick += 1
        world.run_until(UNDATED_S + tick * SCRAPE_S)
        while events and events[0][0] <= tick * SCRAPE_S:
            _, pool = events.pop(0)
            world.sold_out(pool, world.now_s + SOLD_OUT_S)
            world.reclaim(pool, notice_s=NOTICE_S)
        scaler.act(world)
    used = {row["pool"]: round(row["gpu_hours"], 1) for row in pools(world)}
    taken = sum(row["reclaimed"] for row in pools(world))
    return summarise(world)[0] | {"policy": name, "knob": knob, "gpu_hours_by_pool": used, "reclaimed": taken}


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--from-hour", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    day, from_s = load(given.traces / "servegen-m-large-requests.parquet"), given.from_hour * 3600
    part = day.take((day.arrival_s >= from_s) & (day.arrival_s < from_s + given.hours * 3600))
    trace = replace(part, arrival_s=part.arrival_s - from_s)
    knobs = {"ours, H100 on demand": HEADROOMS, "ours, five pools": HEADROOMS, "wva, five pools": THRESHOLDS}
    tasks = [(n, k, trace, seed) for n, values in knobs.items() for k in values for seed in range(given.seeds)]
    started_s = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        rows = list(workers.map(play, tasks))
    report([mean_of([r for r in rows if (r["policy"], r["knob"]) == (n, k)]) for n in knobs for k in knobs[n]], given)
    Console().print(f"{len(tasks)} runs in {time.perf_counter() - started_s:.0f} s")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def mean_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for all seeds of a setting: means of what is compared."""
    figures = {name: float(np.mean([row[name] for row in rows])) for name in ("attainment", "cost_usd", "reclaimed")}
    return rows[0] | figures


def report(rows: list[dict[str, Any]], given: argparse.Namespace) -> None:
    """The best setting of each."""
    names = list(dict.fromkeys(row["policy"] for row in rows))
    chosen = [best([row for row in rows if row["policy"] == name], ASKED) for name in names]
    table = Table(title=f"m-large, {given.hours:g} h from {given.from_hour:g}:00, {given.seeds} seed(s)")
    for column in ("contender", "knob", "attainment", "cost $", "against one pool", "reclaimed", "GPU-hours by pool"):
        table.add_column(column, justify="left" if column in ("contender", "GPU-hours by pool") else "right")
    for row in chosen:
        share = row["cost_usd"] / chosen[0]["cost_usd"] - 1
        used = ", ".join(f"{pool} {hours:g}" for pool, hours in row["gpu_hours_by_pool"].items() if hours)
        figures = f"{row['knob']:g}", f"{row['attainment']:.2%}", f"{row['cost_usd']:.2f}", f"{share:+.0%}"
        table.add_row(row["policy"], *figures, f"{row['reclaimed']:.0f}", used)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
