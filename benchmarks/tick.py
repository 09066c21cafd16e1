"""What one tick of the daemon costs: CPU seconds, peak memory, and where the time goes.

python -m benchmarks.tick [--replicas 200] [--services 10] [--ticks 20]

A simulated fleet runs in a process of its own and is scraped over real HTTP; the daemon's tick (collect, decide,
record) runs here, on one core, with its store on disk. The fleet's own CPU time is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import multiprocessing
import os
import pstats
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from app.daemon.loop import begin
from app.daemon.tick import tick
from app.daemon.wiring import wire
from app.settings import Settings
from app.simulation import fleet_spec
from runtime.simulated.server import serve

PORT = 18950
WARM_UP_TICKS = 3
SPEED = 1000.0
PARTS = {
    "HTTP client": (
        "httpx/",
        "httpcore/",
        "h11/",
        "anyio/",
        "sniffio/",
        "urllib",
        "collectors/transport",
        "collectors/scrape",
    ),
    "parse pages": (
        "collectors/exposition",
        "collectors/engines",
        "collectors/readings",
        "collectors/dcgm",
        "collectors/gateway",
        "collectors/catch",
    ),
    "observe": ("collectors/aggregate", "collectors/intervals", "collectors/histograms", "collectors/health"),
    "forecast": ("forecasting/",),
    "decide": ("autoscaler/decide", "autoscaler/sizing", "autoscaler/capacity", "autoscaler/safety/guardrails"),
    "record": ("sqlalchemy/", "autoscaler/store/", "collectors/history", "zlib", "json/"),
    "event loop": ("asyncio/", "selectors", "ssl"),
}


ELSEWHERE = "everything else"


def settings_for(services: int, replicas: int, folder: Path) -> Settings:
    """A fleet of that many services of equal size."""
    each = replicas // services
    step = {"a_ms": 16.55, "b_ms_per_seq": 0.041, "k_ms_per_1k_kv_tokens": 0.0581, "p_ms_per_1k_prefill_tokens": 68.7}
    rows = [
        {
            "name": f"service-{i}",
            "policy": {"mode": "auto", "replicas": {"min": each, "max": each}},
            "pools": [
                {
                    "name": f"pool-{i}",
                    "gpu": "H100-SXM",
                    "gpus_per_replica": 2,
                    "price_usd_per_gpu_hour": 2.69,
                    "step": step,
                    "kv_blocks": 14000,
                    "lead_times": {"cold": {"p50_s": 150, "p90_s": 240}},
                }
            ],
        }
        for i in range(services)
    ]
    return Settings.model_validate(
        {
            "store": {"url": f"sqlite:///{folder / 'leadtime.db'}"},
            "fleet": {"url": f"http://127.0.0.1:{PORT}"},
            "services": rows,
        }
    )


def serve_fleet(settings: Settings) -> None:
    """The fleet, in a process of its own."""
    serve(fleet_spec(settings, SPEED, None), "127.0.0.1", PORT)


async def measure(settings: Settings, ticks: int) -> tuple[list[float], list[float], pstats.Stats]:
    """CPU and wall seconds of each tick, and a profile of one more."""
    daemon = wire(settings)
    await begin(daemon)
    at_s = daemon.memory.now_s
    cpu, wall = [], []
    for i in range(WARM_UP_TICKS + ticks):
        at_s = await daemon.clock.sleep_until(at_s + daemon.interval_s)
        before, start = time.process_time(), time.perf_counter()
        await tick(daemon, at_s)
        if i >= WARM_UP_TICKS:
            cpu.append(time.process_time() - before)
            wall.append(time.perf_counter() - start)
    at_s = await daemon.clock.sleep_until(at_s + daemon.interval_s)
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    await tick(daemon, at_s)
    profile.disable()
    await daemon.clock.close()
    return cpu, wall, pstats.Stats(profile)


def shares(stats: pstats.Stats) -> dict[str, float]:
    """CPU time by part of the program, as shares of all; what belongs to no part is charged to whoever called it."""
    rows: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in rows.values())
    parts = dict.fromkeys([*PARTS, ELSEWHERE], 0.0)
    for (file, _, _), (_, _, own_s, _, callers) in rows.items():
        name = part_of(file)
        if name != ELSEWHERE:
            parts[name] += own_s / total
            continue
        for (caller, _, _), (_, _, caller_s, _) in callers.items():
            parts[part_of(caller)] += caller_s / total
    return parts


def part_of(file: str) -> str:
    """The part of the program that a source file belongs to."""
    return next((part for part, marks in PARTS.items() if any(mark in file for mark in marks)), ELSEWHERE)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=200)
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--ticks", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(given.services, given.replicas, Path(folder))
        fleet = multiprocessing.get_context("spawn").Process(target=serve_fleet, args=(settings,), daemon=True)
        fleet.start()
        wait_for(f"http://127.0.0.1:{PORT}/healthz")
        cpu, wall, stats = asyncio.run(measure(settings, given.ticks))
        fleet.terminate()
    report(given, cpu, wall, shares(stats))


def wait_for(url: str) -> None:
    """Return once the address answers; raises TimeoutError after a minute."""
    for _ in range(600):
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(url)


def report(given: argparse.Namespace, cpu: list[float], wall: list[float], parts: dict[str, float]) -> None:
    """Print the table."""
    table = Table(title=f"One tick, {given.replicas} replicas of {given.services} services, {os.cpu_count()} cores")
    for column in ("figure", "min", "median", "max"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, values in (("CPU, s", cpu), ("wall, s", wall)):
        table.add_row(name, *(f"{f(values):.3f}" for f in (min, statistics.median, max)))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.add_row("peak memory, MiB", "", f"{peak_mib:.0f}", "")
    for name, share in sorted(parts.items(), key=lambda part: -part[1]):
        table.add_row(f"  of the CPU time: {name}", "", f"{share:.0%}", "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
