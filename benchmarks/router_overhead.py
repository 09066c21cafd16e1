"""What the router adds: against asking a stand-in engine directly, in milliseconds, CPU and memory.

python -m benchmarks.router_overhead [--rates 150,500] [--seconds 20] [--minutes 10] [--vllm-router PATH]

Engine, client and router are processes of their own on this machine; arrivals are Poisson. Added milliseconds are the
difference of the quantiles through the router and directly, to the first byte of the body and to its end, at the same
rate. CPU is that of the router's process over the requests of a run; where a run is slower than what it was asked for,
the router was full and the requests/s are what it sustains. ``--minutes`` then sends at the lowest rate for so long
and prints resident memory. ``--vllm-router`` is the program of that name, measured alike if it is given.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.cli.up import BUILT_IN
from app.settings import load as load_settings
from benchmarks.standin import Client, Seen, request, serve
from runtime.fleet import Fleet
from runtime.replica import Replica, Tier
from runtime.router.server import create_router
from runtime.router.server import serve as serve_router
from runtime.router.spec import Promise, RoutedService, RouterSpec

ENGINES = (18101, 18102)
ROUTER, OTHER = 18100, 18110
TOKENS, GAP_S = 16, 0.01
CHARACTERS = 2000
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Target:
    """Something to ask: its port and, where its own cost is of interest, its process."""

    name: str
    port: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; latencies in seconds, CPU in seconds per request, memory in MB."""

    seen: list[Seen]
    wall_s: float
    cpu_s: float
    memory_mb: float

    def quantile_ms(self, which: str, q: float) -> float:
        """Of ``first_s`` or ``last_s``, milliseconds."""
        return float(np.percentile([getattr(seen, which) for seen in self.seen], q)) * 1e3

    @property
    def failed(self) -> int:
        """Requests without a whole answer."""
        return sum(seen.status != 200 for seen in self.seen)


@dataclass(frozen=True, slots=True)
class Standing(Fleet):
    """Replicas that are there and stay so."""

    there: tuple[Replica, ...]

    async def replicas(self) -> tuple[Replica, ...]:
        return self.there


def be_router(policy: str) -> None:
    """Serve, as ``leadtime router`` does."""
    pool = load_settings(BUILT_IN).services[0].pool
    service = RoutedService("chat", {pool.name: pool}, Promise(2.0, 0.0, 0.05), policy)
    urls = {f"r{port}": f"http://127.0.0.1:{port}" for port in ENGINES}
    there = [Replica(name, "chat", pool.name, Tier.ACTIVE, None, 0.0, url, "here", ()) for name, url in urls.items()]
    standing = Standing(tuple(there))  # type: ignore[abstract]  # a router asks for replicas and nothing else
    serve_router(create_router(RouterSpec((service,)), standing), "127.0.0.1", ROUTER)


@contextmanager
def process(*command: str, port: int) -> Iterator[int]:
    """A server as a process of its own, once it listens; gives its id."""
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_listening(port, started))
        yield started.pid
    finally:
        started.terminate()
        started.wait(20)


async def _listening(port: int, started: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if started.poll() is not None:
            raise SystemExit(f"{started.args!r} ended with {started.returncode}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise SystemExit(f"nothing listens on {port}")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def arrivals_s(rate: float, seconds: float, seed: int = 7) -> list[float]:
    """Poisson."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(rate * seconds))
    return [float(at_s) for at_s in np.cumsum(gaps)]


def run(target: Target, rate: float, seconds: float, streamed: bool) -> Measured:
    """Ask it for so long."""
    client = Client(target.port, request(streamed, target.port, CHARACTERS))

    async def asked() -> float:
        await client.all(arrivals_s(20, 1))  # connections, and whatever is made at first use
        client.seen.clear()
        before_s = cpu_s(target.pid) if target.pid else 0.0
        wall_s = await client.all(arrivals_s(rate, seconds))
        used.append(cpu_s(target.pid) - before_s if target.pid else 0.0)
        client.close()
        return wall_s

    used: list[float] = []
    wall_s = asyncio.run(asked())
    return Measured(client.seen, wall_s, used[0] / len(client.seen), memory_mb(target.pid) if target.pid else 0.0)


def cells(measured: Measured, direct: Measured | None) -> list[str]:
    """Latencies directly, or what is added to them."""
    made = []
    for which in ("first_s", "last_s"):
        for q in (50, 99):
            here = measured.quantile_ms(which, q)
            made.append(f"{here:.1f}" if direct is None else f"+{here - direct.quantile_ms(which, q):.1f}")
    cpu = "" if direct is None else f"{measured.cpu_s * 1e3:.2f}"
    return [*made, cpu, f"{len(measured.seen) / measured.wall_s:.0f}", str(measured.failed)]


def table(targets: Sequence[Target], rates: Sequence[float], seconds: float) -> Table:
    """All rates, streamed and not."""
    made = Table(title=f"{TOKENS} tokens {GAP_S * 1e3:.0f} ms apart, {seconds:.0f} s each", title_justify="left")
    for column in ("", "first P50 ms", "P99", "last P50 ms", "P99", "CPU ms", "requests/s", "failed"):
        made.add_column(column, justify="right" if column else "left")
    for streamed in (False, True):
        for rate in rates:
            kind = f"{rate:.0f}/s {'streamed' if streamed else 'whole'}"
            direct = run(Target("direct", ENGINES[0]), rate, seconds, streamed)
            made.add_row(f"{kind}: direct", *cells(direct, None))
            for target in targets:
                made.add_row(f"{kind}: {target.name}", *cells(run(target, rate, seconds, streamed), direct))
    return made


def memory(console: Console, target: Target, rate: float, minutes: float) -> None:
    """Resident memory each minute of a long run."""
    told = [f"{memory_mb(target.pid or 0):.1f}"]
    for _ in range(round(minutes)):
        run(target, rate, 60, streamed=True)
        told.append(f"{memory_mb(target.pid or 0):.1f}")
    console.print(f"{target.name}: resident MB at the start and after each minute of {rate:.0f}/s streamed: {told}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="150,500")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--policy", default="sal")
    parser.add_argument("--vllm-router", help="path of the program")
    parser.add_argument("--be", choices=("engine", "router"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be == "engine":
        asyncio.run(serve(ENGINES, TOKENS, GAP_S))
    if given.be == "router":
        be_router(given.policy)
    if given.be is None:
        measure(given)


def measure(given: argparse.Namespace) -> None:
    """Everything that was asked for."""
    own = (sys.executable, "-m", "benchmarks.router_overhead", "--policy", given.policy, "--be")
    rates = [float(rate) for rate in given.rates.split(",")]
    console = Console(width=120)
    with process(*own, "engine", port=ENGINES[0]), process(*own, "router", port=ROUTER) as pid:
        ours = Target(f"router ({given.policy})", ROUTER, pid)
        console.print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores")
        if given.vllm_router:
            workers = [f"http://127.0.0.1:{port}" for port in ENGINES]
            listen = ("--host", "127.0.0.1", "--port", str(OTHER), "--policy", "round_robin")
            with process(given.vllm_router, "--worker-urls", *workers, *listen, port=OTHER) as other:
                time.sleep(5)
                console.print(table((ours, Target("vllm-router", OTHER, other)), rates, given.seconds))
        else:
            console.print(table((ours,), rates, given.seconds))
        if given.minutes:
            memory(console, ours, rates[0], given.minutes)


if __name__ == "__main__":
    main()
