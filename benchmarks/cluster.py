"""What a large Kubernetes fleet costs the daemon: CPU a tick, memory, and calls to the API server.

python -m benchmarks.cluster [--services 100] [--replicas 2000] [--gpus 10000] [--namespaces 1] [--minutes 2]

The cluster (benchmarks/cluster_server.py) is a process of its own, asked over HTTP, so that all that is measured is
ours. A tick is what the daemon does with its fleet every 15 s: ``replicas()``, then ``apply()``; between ticks the
fleet looks after its targets every 5 s, as always. CPU is that of all threads, memory what is resident. So many minutes
pass in which nothing is changed, and as many in which each minute 5 % of the pools get a new count, two up and two down
in turn; these minutes are real.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.cluster_server import Size, serve
from benchmarks.start import free_ports
from runtime.clock import WallClock
from runtime.fleet import PoolTarget
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.fleet import KubernetesFleet
from runtime.kubernetes.spec import FleetSpec

TICK_S = 15.0
TICKS = 15
SHARE = 0.05
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
WRITES = ("create", "update", "patch", "delete")


def resident_mb() -> float:
    """Resident memory of this process now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


@dataclass(slots=True)
class Wanted:
    """The counts in force."""

    counts: dict[int, int]
    ticks: int = 0

    def targets(self) -> list[PoolTarget]:
        """As the daemon gives them."""
        return [PoolTarget(f"s{service}", f"s{service}", count) for service, count in self.counts.items()]


@dataclass(frozen=True, slots=True)
class Minute:
    """A mean minute: CPU of ticks and of everything, calls by verb, writes by resource."""

    cpu_s: float
    ticks_s: list[float]
    calls: Counter[str]
    written: Counter[str]


async def tick(fleet: KubernetesFleet, wanted: Wanted) -> float:
    """One tick's CPU, seconds."""
    began_s = time.process_time()
    await fleet.replicas()
    wanted.ticks += 1
    await fleet.apply(wanted.targets(), f"d{wanted.ticks}")
    return time.process_time() - began_s


async def pass_minutes(fleet: KubernetesFleet, api: Api, wanted: Wanted, minutes: int, changed: list[int]) -> Minute:
    """Real minutes with a tick every 15 s; ``changed`` are the pools that get another count at each."""
    calls, began_s, ticks = Counter(api.calls), time.process_time(), []
    at_s, ups = time.monotonic(), 0
    for number in range(round(minutes * 60 / TICK_S)):
        share = changed[number % 4 :: 4]
        for service in share:
            wanted.counts[service] += 2 if ups % 2 == 0 else -2
        ups += number % 4 == 3
        ticks.append(await tick(fleet, wanted))
        at_s += TICK_S
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
    made = Counter(api.calls) - calls
    by_verb: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for (verb, label, _), count in made.items():
        by_verb[verb] += count
        if verb in WRITES:
            written[f"{verb} {label}"] += count
    return Minute((time.process_time() - began_s) / minutes, ticks, per(by_verb, minutes), per(written, minutes))


def per(counts: Counter[str], minutes: int) -> Counter[str]:
    """A minute's share, rounded up: once is not never."""
    return Counter({key: -(-count // minutes) for key, count in counts.items()})


@contextmanager
def cluster(size: Size) -> Iterator[None]:
    """The other process, answering."""
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(size,), daemon=True)
    process.start()
    try:
        while process.is_alive():
            try:
                httpx.get(f"http://127.0.0.1:{size.port}/metrics", timeout=5.0)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.join()


async def measure(size: Size, minutes: int) -> list[tuple[str, str]]:
    """Rows of the table."""
    rows: list[tuple[str, str]] = []
    api = Api(Connection(f"http://127.0.0.1:{size.port}"), WallClock())
    spec = FleetSpec(discover=tuple(sorted({size.namespace(i) for i in range(size.services)})))
    fleet = KubernetesFleet(api, spec, WallClock())
    before_mb, cpu_s, wall_s = resident_mb(), time.process_time(), time.perf_counter()
    await fleet.start()
    while len(fleet.inventory()) < size.nodes:
        await asyncio.sleep(0.1)
    used = f"{time.process_time() - cpu_s:.2f} s CPU, {time.perf_counter() - wall_s:.1f} s until complete"
    rows.append(("first list of everything", f"{used}, {sum(api.calls.values())} calls"))
    wanted = Wanted(dict.fromkeys(range(size.services), size.replicas // size.services))
    calls = sum(api.calls.values())
    first_s = await tick(fleet, wanted)
    rows.append(("first tick", f"{first_s:.3f} s CPU, {sum(api.calls.values()) - calls} calls"))
    same = [await tick(fleet, wanted) for _ in range(TICKS)]
    rows.append(("tick, nothing changed", f"median {statistics.median(same):.3f} s CPU, most {max(same):.3f}"))
    for what, changed in (("nothing changes", 0), ("5 % of pools change", max(1, round(SHARE * size.services)))):
        minute = await pass_minutes(fleet, api, wanted, minutes, list(range(changed)))
        told = ", ".join(f"{count} {verb}" for verb, count in sorted(minute.calls.items()))
        rows.append((f"a minute in which {what}: CPU", f"{minute.cpu_s:.2f} s, most a tick {max(minute.ticks_s):.3f}"))
        rows.append((f"a minute in which {what}: calls", told or "none"))
        said = ", ".join(f"{count} {key}" for key, count in sorted(minute.written.items()))
        rows.append((f"a minute in which {what}: writes", said or "none"))
    everywhere = {service: count + 2 for service, count in wanted.counts.items()}
    wanted.counts = everywhere
    rows.append(("tick that scales all pools out", f"{await tick(fleet, wanted):.2f} s CPU"))
    rows.append(("memory", f"{resident_mb():.0f} MB, {resident_mb() - before_mb:.0f} of it the fleet's"))
    holds = Counter(hold.reason for told in fleet.holds().values() for hold in told)
    rows.append(("held at the end", ", ".join(f"{count} {reason}" for reason, count in holds.items()) or "nothing"))
    await fleet.close()
    await api.close()
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=2000)
    parser.add_argument("--gpus", type=int, default=10_000)
    parser.add_argument("--namespaces", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=2)
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    size = Size(args.services, args.replicas, args.gpus, args.namespaces, free_ports(1)[0])
    table = Table(
        "", f"{args.services} services, {args.replicas} replicas, {size.nodes} nodes, {args.namespaces} namespaces"
    )
    with cluster(size):
        for row in asyncio.run(measure(size, args.minutes)):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
