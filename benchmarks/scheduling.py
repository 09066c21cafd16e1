"""What batching, routing and scheduling are worth, on real traces: four tables per trace.

python -m benchmarks.scheduling TRACE… [--requests 20000] [--from 0.5]

Of each trace a stretch of ``--requests``, from that fraction of it on, is replayed on the built-in 70B pool with its
arrivals moved closer together, or further apart, until the offered load is so many erlangs per replica (DESIGN 4).
Batching is compared by the most load at which 95 % of requests keep a promise (deadline form): an interactive one, 2 s
to the first token and 50 ms for each further one, and a patient one, 30 s and 100 ms, which static batches can keep
too. Routers and schedulers are compared at one load for all; routers once more on conversations of several turns
whose messages and answers are as long as the trace's requests (``benchmarks.conversations``), for those that go by
sessions and prefixes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.cli.up import BUILT_IN
from app.settings import load as load_settings
from benchmarks.conversations import conversations
from runtime.pool import Pool
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.routers import ROUTERS
from runtime.simulated.run import FixedFleet, figures, row, run
from runtime.simulated.schedulers import SCHEDULERS
from runtime.traces import Trace, load

TARGET = LatencyTarget(2.0, 0.0, 0.05)
PROMISES = {"interactive": TARGET, "patient": LatencyTarget(30.0, 0.0, 0.1)}
ATTAINMENT = 0.95
ROUTED_REPLICAS, ROUTED_LOAD = 8, 0.6
SCHEDULED_REPLICAS, SCHEDULED_LOAD = 4, 0.5
TALKING_LOAD, TALKING_SESSIONS, SEED = 0.75, 4000, 3
TIGHT = 0.5
"""Part of the KV cache that schedulers are compared with, so that memory is what they contend for."""
BATCHING = {"static": "static", "continuous": "fcfs-chunked", "predictive": "shortest-predicted", "LARRY": "larry"}
STEPS = 7
ORDER = ("round-robin", "random", "power-of-two", "weighted", "least-requests", "least-tokens", "lmetric", "sal")
AFFINITY = ("least-requests", "session-affinity", "prefix-affinity", "lmetric", "sal", "round-robin")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds, shares and rates per replica."""

    ttft_mean_s: float
    ttft_p99_s: float
    tpot_mean_s: float
    tpot_p99_s: float
    preemptions: int
    attainment: float
    tokens_per_s: float
    requests_per_s: float
    busy: float
    load: float
    hits: float | None

    def cells(self) -> list[str]:
        """Latencies, preemptions, attainment, throughput."""
        latencies = [f"{self.ttft_mean_s:.3f}", f"{self.ttft_p99_s:.2f}", f"{self.tpot_mean_s * 1e3:.1f}"]
        rest = [f"{self.tpot_p99_s * 1e3:.0f}", f"{self.preemptions:,}", f"{self.attainment:.3f}"]
        return [*latencies, *rest, f"{self.tokens_per_s:,.0f}"]


def stretch(trace: Trace, begin: float, count: int) -> Trace:
    """That many requests from that fraction of the trace on."""
    first = min(int(begin * trace.requests), max(0, trace.requests - count))
    part = slice(first, first + count)
    taken = trace.take(part)
    return replace(taken, arrival_s=taken.arrival_s - taken.arrival_s[0])


def work_s(trace: Trace, pool: Pool) -> float:
    """Work of all requests, seconds (DESIGN 4), as if no prompt was cached."""
    context = trace.input_tokens + trace.output_tokens / 2
    step = pool.step
    decode_ms = trace.output_tokens * (step.b_ms_per_seq + step.k_ms_per_1k_kv_tokens * context / 1000)
    return float((step.p_ms_per_1k_prefill_tokens * trace.input_tokens / 1000 + decode_ms).sum()) / 1000


def at_load(trace: Trace, pool: Pool, replicas: int, load: float) -> Trace:
    """The same requests, with arrivals so close that they are so many erlangs per replica."""
    return replace(trace, arrival_s=trace.arrival_s * (work_s(trace, pool) / (load * replicas * trace.duration_s)))


def measure(
    trace: Trace, pool: Pool, replicas: int, router: str, scheduler: str, target: LatencyTarget = TARGET
) -> Measured:
    """One run."""
    fleet = FixedFleet((pool,) * replicas, target, router, scheduler)
    done = run(trace, fleet, sessions=trace.session, prefixes=trace.prefix, prefix_tokens=trace.prefix_tokens)
    told, table = row(done), figures(done.requests)
    ttft_s, tpot_s = table["ttft_s"], table["tpot_s"]
    return Measured(
        float(np.nanmean(ttft_s)),
        float(np.nanpercentile(ttft_s, 99)),
        float(np.nanmean(tpot_s)),
        float(np.nanpercentile(tpot_s, 99)),
        told["preemptions"],
        told["attainment"],
        told["output_tokens_per_s"] / replicas,
        (told["requests"] - told["rejected"]) / told["elapsed_s"] / replicas,
        told["busy"],
        told["load"],
        told.get("prefix_hit_rate"),
    )


def most(trace: Trace, pool: Pool, scheduler: str, target: LatencyTarget) -> Measured | None:
    """The run at the highest load that one replica attains, by bisection; None if it attains none that was tried."""
    best, low, high = None, 0.0, 1.2
    for _ in range(STEPS):
        load = (low + high) / 2
        measured = measure(at_load(trace, pool, 1, load), pool, 1, "least-requests", scheduler, target)
        if measured.attainment >= ATTAINMENT:
            best, low = measured, load
        else:
            high = load
    return best


def table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, list[str]]]) -> Table:
    """Names and their figures."""
    made = Table(title=title, title_justify="left")
    made.add_column("")
    for column in columns:
        made.add_column(column, justify="right")
    for name, cells in rows:
        made.add_row(name, *cells)
    return made


def batching(trace: Trace, pool: Pool) -> Table:
    """Static, continuous, predictive, at equal latency."""
    rows = []
    for promise, target in PROMISES.items():
        for name, scheduler in BATCHING.items():
            m = most(trace, pool, scheduler, target)
            found = [f"{m.load:.3f}", f"{m.requests_per_s:.2f}", f"{m.tokens_per_s:,.0f}", f"{m.busy:.2f}"] if m else []
            rows.append((f"{promise}: {name}", found or ["below 0.01", "–", "–", "–"]))
    columns = "erlangs / replica", "requests/s", "output tokens/s", "busy"
    return table(f"{trace.name}: the most a replica serves, {ATTAINMENT:.0%} in time", columns, rows)


LATENCIES = "TTFT mean s", "P99 s", "TPOT mean ms", "P99 ms", "preemptions", "attainment", "tokens/s/replica"


def routing(trace: Trace, pool: Pool) -> Table:
    """Routers at one load; affinity needs keys that these traces lack."""
    closer = at_load(trace, pool, ROUTED_REPLICAS, ROUTED_LOAD)
    names = [name for name in ORDER if name in ROUTERS]
    rows = [(name, measure(closer, pool, ROUTED_REPLICAS, name, SCHEDULERS[0]).cells()) for name in names]
    title = f"{trace.name}: routers, {ROUTED_REPLICAS} replicas, {ROUTED_LOAD} erlangs each"
    return table(title, LATENCIES, rows)


def talking(trace: Trace, pool: Pool) -> Table:
    """Routers on conversations; what is cached of a prompt needs no work, so less is done than is offered."""
    mean_s = work_s(conversations(trace, TALKING_SESSIONS, 1.0, SEED), pool) / TALKING_SESSIONS
    talks = conversations(trace, TALKING_SESSIONS, TALKING_LOAD * ROUTED_REPLICAS / mean_s, SEED)
    rows = []
    for name in AFFINITY:
        measured = measure(talks, pool, ROUTED_REPLICAS, name, SCHEDULERS[0])
        rows.append((name, [*measured.cells(), "–" if measured.hits is None else f"{measured.hits:.1%}"]))
    title = (
        f"{talks.name}: routers, {ROUTED_REPLICAS} replicas, {TALKING_LOAD} erlangs each if nothing were cached, "
        f"{talks.requests:,} turns"
    )
    return table(title, (*LATENCIES, "cached"), rows)


def scheduling(trace: Trace, pool: Pool) -> Table:
    """Schedulers at one load and little memory."""
    tight = replace(pool, kv_blocks=int(TIGHT * pool.kv_blocks))
    closer = at_load(trace, tight, SCHEDULED_REPLICAS, SCHEDULED_LOAD)
    names = [name for name in SCHEDULERS if name != "static"]
    rows = [(name, measure(closer, tight, SCHEDULED_REPLICAS, "least-requests", name).cells()) for name in names]
    title = (
        f"{trace.name}: schedulers, {SCHEDULED_REPLICAS} replicas, {SCHEDULED_LOAD} erlangs and "
        f"{tight.kv_tokens:,} KV tokens each"
    )
    return table(title, LATENCIES, rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path, nargs="+")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--from", dest="begin", type=float, default=0.5)
    given = parser.parse_args()
    pool = load_settings(BUILT_IN).services[0].pool
    console = Console(width=120)
    for path in given.traces:
        trace = stretch(load(path), given.begin, given.requests)
        for make in (batching, routing, talking, scheduling):
            console.print(make(trace, pool))


if __name__ == "__main__":
    main()
