"""How fast the simulator is: requests per second, where the time goes, memory, and what a larger batch costs.

python -m benchmarks.speed TRACE [--replicas 20] [--router least-requests]

One core, after the first compile. The trace runs on a fixed fleet of the built-in 70B pool on 2 H100; then every
replica is given the requests that it had once more without a router, which separates routing (and running engines in
more and shorter stretches) from the engines; then one replica is loaded to batches of 4 to 1,024 to see what a request
costs in each.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from app.cli.up import BUILT_IN
from app.settings import load as load_settings
from runtime.pool import Pool
from runtime.simulated.dispatch import advance_all
from runtime.simulated.jit import jit
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.run import FOREVER_S, FixedFleet, Run, fresh_state, row, run
from runtime.simulated.state import EngineState
from runtime.traces import Trace, load

TARGET = LatencyTarget(2.0, 0.0, 0.05)
BATCHES = (4, 16, 64, 256, 1024)
OUTPUT_TOKENS, INPUT_TOKENS = 200, 100

T = TypeVar("T")


@jit
def replay(s: EngineState, slots: npt.NDArray[np.int64], rows: npt.NDArray[np.int32]) -> None:
    """Every request to the row that it is known to go to."""
    for i in range(len(slots)):
        at_s = s.requests[slots[i]].arrival
        advance(s, rows[i], at_s)
        enqueue(s, rows[i], slots[i], at_s)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds, which a busy machine stretches less than wall time, and what came of it."""
    began_s = time.process_time()
    made = work()
    return time.process_time() - began_s, made


def cut(trace: Trace, count: int) -> Trace:
    """The first requests of a trace."""
    return replace(
        trace,
        arrival_s=trace.arrival_s[:count],
        input_tokens=trace.input_tokens[:count],
        output_tokens=trace.output_tokens[:count],
    )


def engines_alone(trace: Trace, done: Run) -> float:
    """Seconds that the engines take when they are told who gets what."""
    state, rows = fresh_state(trace, done.fleet), done.requests["replica"].copy()
    slots = np.arange(trace.requests)
    replay(state, slots[:1], rows[:1])
    state = fresh_state(trace, done.fleet)

    def work() -> None:
        replay(state, slots, rows)
        advance_all(state, np.arange(len(state.replicas)), FOREVER_S)

    seconds, _ = timed(work)
    # Engines that are looked at less often add up the same steps in larger sums, which round differently.
    if abs(state.requests["finish"] - done.requests["finish"]).mean() > 1e-3:
        raise AssertionError("the replay does not end as the run did")
    return seconds


def memory_gb() -> float:
    """Peak memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def steady(pool: Pool, batch: int, requests: int = 20_000) -> tuple[float, float]:
    """(mean batch, microseconds per request) of one replica under Poisson arrivals that fill about that batch."""
    roomy = replace(pool, kv_blocks=1 << 20, max_num_seqs=4096, max_batched_tokens=8192)
    step_s = roomy.step.step_ms(batch, batch * (INPUT_TOKENS + OUTPUT_TOKENS / 2), 0) / 1000
    rng = np.random.default_rng(0)
    # A request also costs everybody else its prefill: rate·(O·step + O·N·p·I/O) = N, with N in the batch.
    rate = batch / (step_s * OUTPUT_TOKENS + batch * INPUT_TOKENS * roomy.step.p_ms_per_1k_prefill_tokens * 1e-6)
    tokens = np.full(requests, INPUT_TOKENS, np.int32), rng.geometric(1 / OUTPUT_TOKENS, requests).astype(np.int32)
    trace = Trace("steady", np.cumsum(rng.exponential(1 / rate, requests)), *tokens)
    seconds, done = timed(lambda: run(trace, FixedFleet((roomy,), TARGET)))
    in_engine_s = (done.requests["finish"] - done.requests["first_scheduled"]).sum()
    return float(in_engine_s / done.elapsed_s), seconds / requests * 1e6


def table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    """A table of numbers."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="right")
    for cells in rows:
        made.add_row(*map(str, cells))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--replicas", type=int, default=20)
    parser.add_argument("--router", default="least-requests")
    given = parser.parse_args()
    pool = load_settings(BUILT_IN).services[0].pool
    fleet = FixedFleet((pool,) * given.replicas, TARGET, given.router)
    load_s, trace = timed(lambda: load(given.trace))
    run(cut(trace, 1000), fleet)
    marks = [time.process_time()]
    run_s, done = timed(lambda: run(trace, fleet, lambda sent: marks.append(time.process_time())))
    # The first batch of many is sent a moment after all requests are laid out.
    fresh_s = marks[1] - marks[0]
    row_s, result = timed(lambda: row(done))
    peak_gb = memory_gb()
    engine_s = engines_alone(trace, done)
    console = Console(width=120)
    parts = {
        "read the trace": load_s,
        "lay out the requests": fresh_s,
        "engines": engine_s,
        "routing": run_s - fresh_s - engine_s,
        "percentiles, sums": row_s,
    }
    whole_s = sum(parts.values())
    console.print(
        f"{trace.requests:,} requests of {trace.name} on {given.replicas} replicas, router {given.router}: "
        f"{trace.requests / run_s:,.0f} requests/s in the fleet, {trace.requests / whole_s:,.0f} from file to figures; "
        f"{result['output_tokens'] / run_s / 1e6:,.1f} M output tokens/s; peak memory {peak_gb:.2f} GB"
    )
    shares = [(part, f"{s:.2f}", f"{s / whole_s:.0%}") for part, s in parts.items()]
    console.print(table("Where the time goes", ("part", "seconds", "share"), shares))
    measured = [steady(pool, batch) for batch in BATCHES]
    costs = [(f"{n:.0f}", f"{us:.2f}", f"{us / math.log2(n + 2):.2f}") for n, us in measured]
    console.print(
        table("One replica, larger batches", ("mean batch", "CPU µs per request", "µs / log2(batch + 2)"), costs)
    )


if __name__ == "__main__":
    main()
