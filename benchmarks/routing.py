"""Routers over 16 simulated replicas near their capacity: mean and P99 TTFT on each trace.

python -m benchmarks.routing TRACE… [--requests 20000] [--seeds 5] [--replicas 16]

Of each trace as many stretches are replayed as there are seeds, evenly spread over it, on replicas of the built-in 70B
pool. Arrivals are moved closer together, or further apart, until least-requests just keeps the promise (2 s, 50 ms a
token) for 95 % of the requests of the first stretch; that is the load near capacity, in erlangs a replica as if no
prompt was cached (DESIGN 4), and all routers get it. Where no trace has blocks or prefixes, one in Mooncake's format
is made of the first trace's lengths (``benchmarks.mooncake``). Figures are means over the stretches, with their
standard deviation.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.cli.up import BUILT_IN
from app.settings import load as load_settings
from benchmarks import mooncake
from benchmarks.scheduling import ATTAINMENT, Measured, at_load, measure, stretch
from runtime.pool import Pool
from runtime.simulated.schedulers import SCHEDULERS
from runtime.traces import Trace, load

ROUTERS = ("round-robin", "power-of-two", "least-requests", "prefix-affinity", "lmetric", "sal")
CLOSEST = 10
"""Halvings of the interval in which the load is looked for."""

MOST_LOAD = 4.0


def near_capacity(trace: Trace, pool: Pool, replicas: int) -> float:
    """The most erlangs a replica that least-requests attains."""
    low, high = 0.0, MOST_LOAD
    for _ in range(CLOSEST):
        load = (low + high) / 2
        kept = measure(at_load(trace, pool, replicas, load), pool, replicas, "least-requests", SCHEDULERS[0])
        low, high = (load, high) if kept.attainment >= ATTAINMENT else (low, load)
    return low


def spread(values: list[float], digits: int) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def row(router: str, runs: list[Measured]) -> list[str]:
    """A router's line in the table."""
    hits = [run.hits for run in runs if run.hits is not None]
    return [
        router,
        spread([run.ttft_mean_s for run in runs], 3),
        spread([run.ttft_p99_s for run in runs], 2),
        f"{np.mean([run.tpot_mean_s for run in runs]) * 1e3:.1f}",
        f"{np.mean([run.attainment for run in runs]):.3f}",
        f"{np.mean(hits):.1%}" if hits else "–",
    ]


def compared(trace: Trace, pool: Pool, replicas: int, requests: int, seeds: int) -> Table:
    """All routers on one trace."""
    begins = [seed / seeds for seed in range(seeds)]
    parts = [stretch(trace, begin, min(requests, trace.requests // seeds)) for begin in begins]
    at = near_capacity(parts[0], pool, replicas)
    parts = [at_load(part, pool, replicas, at) for part in parts]
    load = f"{at:.2f} erlangs each if nothing were cached"
    title = f"{trace.name}: {replicas} replicas, {load}\n{seeds} × {parts[0].requests:,} requests"
    made = Table(title=title, title_justify="left")
    made.add_column("")
    for column in ("TTFT mean s", "P99 s", "TPOT mean ms", "attainment", "cached"):
        made.add_column(column, justify="right")
    for router in ROUTERS:
        if router == "prefix-affinity" and trace.prefix is None:
            made.add_row(router, *["no prefixes"] * 2)
        else:
            made.add_row(*row(router, [measure(part, pool, replicas, router, SCHEDULERS[0]) for part in parts]))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path, nargs="+")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--replicas", type=int, default=16)
    given = parser.parse_args()
    pool, console = load_settings(BUILT_IN).services[0].pool, Console(width=120)
    traces = [load(path) for path in given.traces]
    with tempfile.TemporaryDirectory() as folder:
        if all(trace.prefix is None for trace in traces):
            path = Path(folder) / "mooncake-format.jsonl"
            mooncake.write(path, traces[0], sessions=given.seeds * given.requests // 5, seed=3)
            traces.append(load(path))
        for trace in traces:
            console.print(compared(trace, pool, given.replicas, given.requests, given.seeds))


if __name__ == "__main__":
    main()
