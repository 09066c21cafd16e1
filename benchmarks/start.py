"""How long ``leadtime up`` takes until fleet, API and console answer.

python -m benchmarks.start [--runs 5]

Wall seconds from the call to the last of the three health checks, on free ports; then Ctrl-C, and what is left
running.
"""

from __future__ import annotations

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console

GIVE_UP_S = 60.0
LOOK_EVERY_S = 0.05


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def once() -> tuple[float, int]:
    """Seconds until everything answers, and processes left a moment after Ctrl-C."""
    api, console, fleet = free_ports(3)
    ports = ["--api-port", str(api), "--console-port", str(console), "--fleet-port", str(fleet)]
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "up", *ports], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    waiting = {
        f"http://127.0.0.1:{fleet}/healthz",
        f"http://127.0.0.1:{api}/readyz",
        f"http://127.0.0.1:{console}/_stcore/health",
    }
    while waiting and time.perf_counter() - started_s < GIVE_UP_S:
        waiting = {url for url in waiting if not answers(url)}
        time.sleep(LOOK_EVERY_S)
    took_s = time.perf_counter() - started_s
    process.send_signal(signal.SIGINT)
    process.wait()
    time.sleep(1.0)
    return took_s, left(fleet)


def answers(url: str) -> bool:
    """Whether the address answers 200."""
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def left(port: int) -> int:
    """Processes whose command line names this run's fleet port or its folder (Linux)."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += f"\0{port}\0".encode() in path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = [once() for _ in range(parser.parse_args().runs)]
    seconds = [took_s for took_s, _ in runs]
    Console().print(
        f"leadtime up until everything answers, {len(runs)} runs: min {min(seconds):.1f} s, "
        f"median {statistics.median(seconds):.1f} s, max {max(seconds):.1f} s; "
        f"processes left after Ctrl-C: {sum(count for _, count in runs)}"
    )


if __name__ == "__main__":
    main()
