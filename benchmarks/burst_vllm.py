"""A burst on real vLLM: how long until a second replica takes traffic, and what readers felt meanwhile.

python -m benchmarks.burst_vllm [--python VENV/bin/python] [--only standby,cold,hpa] [--repeat 1] [--no-faults]
                                [--json FILE]

The same trace for everybody: half a minute at one request every ten seconds, then a burst (BURST_PER_S for BURST_S
seconds), then as before the burst until the fleet is back at one replica. ``standby`` and ``cold`` are the daemon with
and without one replica loaded out of rotation; ``hpa`` is the HPA's own rule, on running and waiting requests, scraped
and synced as Kubernetes does it by default, moving the same agent. Engines are real and held to the pace of a larger
model (``benchmarks.real.paced``): a replica serves two requests at a time, about one a second, and the burst is more.
Then the faults: one replica and, later, the daemon are killed with ``kill -9`` under traffic. Lost requests are counted
throughout, scale-in included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.peers.hpa import Hpa
from autoscaler.peers.rule import FleetSignals, ReplicaSignals, Terms
from benchmarks.real.stack import SERVICE, Engines, Stack, prepared, running, until, vllm_python
from runtime.agent.client import RemoteFleet
from runtime.fleet import PoolTarget
from runtime.traces import Trace
from runtime.traces.replay import Answered, Endpoint, Fate, replay

INPUT, OUTPUT = 150, 40
CALM_S, BURST_S = 30.0, 90.0
CALM_PER_S, BURST_PER_S = 0.1, 1.6
TTFT_S, TPOT_S = 2.0, 0.2
HPA_TARGET = 2.0
LAW = {"a_ms": 45.0, "b_ms_per_seq": 1.0, "k_ms_per_1k_kv_tokens": 0.5, "p_ms_per_1k_prefill_tokens": 200.0}
ENGINES = Engines(seqs=2, step=LAW, paced=LAW)
"""Two requests at a time at some 47 ms a token: full at one request a second. The HPA aims at a full batch."""

FAULTS_PER_S = 1.2
SCRAPE_S = 15.0
BACK_WITHIN_S = 480.0
POOL = "cpu"

MODES: dict[str, dict[str, Any]] = {
    "standby": {"standby": {"min": 1, "max": 1}, "replicas": {"min": 1, "max": 3}},
    "cold": {"standby": {"max": 0}},
    "hpa": {"mode": "off"},
}


@dataclass(frozen=True, slots=True)
class Result:
    """One run; seconds count from the burst's first request, None for what did not come."""

    mode: str
    second_s: float | None
    third_s: float | None
    answers: Sequence[Answered]
    back_s: float | None
    after: Sequence[Answered]

    def row(self) -> dict[str, Any]:
        """Its figures."""
        burst = [a for a in self.answers if a.due_s >= CALM_S]
        times = [a.ttft_s for a in burst if a.ttft_s is not None]
        return {
            "mode": self.mode,
            "second_s": self.second_s,
            "third_s": self.third_s,
            "requests": len(burst),
            "attainment": sum(a.kept(TTFT_S, TPOT_S) for a in burst) / len(burst),
            "ttft_p50_s": float(np.median(times)),
            "ttft_p99_s": float(np.percentile(times, 99)),
            "lost": sum(a.fate is not Fate.SERVED for a in (*self.answers, *self.after)),
            "back_s": self.back_s,
        }


def steady(per_s: float, seconds: float, seed: int = 0, start_s: float = 0.0) -> Trace:
    """Poisson arrivals of one length."""
    count = max(1, round(per_s * seconds))
    arrival_s = start_s + np.sort(np.random.default_rng(seed).uniform(0, seconds, count))
    return Trace("steady", arrival_s, np.full(count, INPUT, np.int32), np.full(count, OUTPUT, np.int32))


def load() -> Trace:
    """Calm, then the burst."""
    calm, burst = steady(CALM_PER_S, CALM_S, 1), steady(BURST_PER_S, BURST_S, 2, CALM_S)
    times = np.concatenate([calm.arrival_s, burst.arrival_s])
    return Trace("burst", times, np.full(len(times), INPUT, np.int32), np.full(len(times), OUTPUT, np.int32))


def sent(stack: Stack, trace: Trace) -> list[Answered]:
    """A trace through the router, to its end."""
    return asyncio.run(replay(trace, Endpoint(stack.url("router"), SERVICE)))


@contextmanager
def trickle(stack: Stack, per_s: float = CALM_PER_S) -> Iterator[list[Answered]]:
    """Steady traffic while the block lasts; the answers are all there after it."""
    ended, answers = threading.Event(), list[Answered]()

    def one() -> None:
        answers.extend(sent(stack, steady(1.0, 1.0)))

    def send() -> None:
        asked = []
        while not ended.wait(1 / per_s):
            asked.append(threading.Thread(target=one))
            asked[-1].start()
        for thread in asked:
            thread.join()

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield answers
    finally:
        ended.set()
        sending.join()


# --- who scales ----------------------------------------------------------------------------------------------------


class HpaLoop:
    """The HPA's rule moving the agent: metrics every SCRAPE_S, a sync every 15 s."""

    def __init__(self, stack: Stack) -> None:
        terms = Terms(
            min_replicas=1,
            max_replicas=3,
            ttft_target_s=TTFT_S,
            tpot_target_s=TPOT_S,
            **LAW,
            kv_tokens=16384,
            block_tokens=32,
            max_num_seqs=ENGINES.seqs,
            max_batched_tokens=2048,
        )
        self._rule = Hpa(terms, HPA_TARGET)
        self._stack, self._desired, self._ended = stack, 1, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> HpaLoop:
        self._set(1)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        seen = self._signals()
        while not self._ended.wait(SCRAPE_S):
            # A metrics pipeline shows what was scraped last, not what is: the signals of one scrape before.
            wanted, seen = self._rule.desired(seen), self._signals()
            if wanted != self._desired:
                self._set(wanted)

    def _set(self, active: int) -> None:
        self._desired = active

        async def apply() -> None:
            fleet = RemoteFleet(self._stack.url("agent"), self._stack.token)
            await fleet.apply([PoolTarget(SERVICE, POOL, active)], "hpa")
            await fleet.close()

        asyncio.run(apply())

    def _signals(self) -> FleetSignals:
        replicas = [row for row in self._stack.replicas() if row["tier"] == "active"]
        shown = tuple(self._replica(row) for row in replicas)
        return FleetSignals(time.time(), self._desired, shown, 0, 0.0, INPUT, OUTPUT, None, None)

    def _replica(self, row: dict[str, Any]) -> ReplicaSignals:
        if row["transition"] is not None:
            return ReplicaSignals(False, time.time() - row["since_s"])
        page = httpx.get(f"{row['base_url']}/metrics", timeout=5.0).text
        numbers = [re.search(rf"^vllm:num_requests_{what}{{.*}} (\S+)$", page, re.M) for what in ("running", "waiting")]
        busy, waiting = (int(float(found[1])) if found else 0 for found in numbers)
        return ReplicaSignals(True, time.time() - row["since_s"], busy, waiting)


# --- runs ----------------------------------------------------------------------------------------------------------


def taking_traffic(stack: Stack) -> set[str]:
    """Replicas that have been sent a request that has not ended, by the router's page."""
    page = httpx.get(f"{stack.url('router')}/metrics", timeout=5.0).text
    return set(re.findall(r'^leadtime_gateway_replica_requests{.*replica="([^"]+)"} [1-9]', page, re.M))


def played(mode: str, python: Path, console: Console) -> Result:
    """One whole run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="leadtime-burst-") as folder:
        stack = prepared(Path(folder), python, "direct", MODES[mode], ENGINES)
        parts = ("agent", "router", "daemon") if mode != "hpa" else ("agent", "router")
        with running(stack, parts):
            if mode != "hpa":
                return measured(mode, stack, console)
            with HpaLoop(stack):
                return measured(mode, stack, console)


def measured(mode: str, stack: Stack, console: Console) -> Result:
    """The load, watched; then the way back."""
    ready = 2 if mode == "standby" else 1
    until(lambda: sum(r["transition"] is None for r in stack.replicas()) == ready, 240, f"{ready} replicas are loaded")
    time.sleep(10)
    answers: list[Answered] = []
    began_s = time.monotonic()
    sending = threading.Thread(target=lambda: answers.extend(sent(stack, load())))
    sending.start()
    taking: dict[str, float] = {}
    while sending.is_alive():
        for name in taking_traffic(stack) - set(taking):
            taking[name] = time.monotonic() - began_s - CALM_S
        time.sleep(0.2)
    with trickle(stack) as after:
        back_s = came_back(stack, ready)
    later = [*sorted(taking.values())[1:], None, None]
    result = Result(mode, later[0], later[1], answers, back_s, after)
    console.print(f"{mode}: {result.row()}")
    return result


def came_back(stack: Stack, ready: int) -> float | None:
    """Seconds until the fleet is what it was before the burst; None where that takes too long to wait for."""
    try:
        return until(lambda: stack.serving() == 1 and len(stack.replicas()) == ready, BACK_WITHIN_S, "one replica")
    except TimeoutError:
        return None


def faults(python: Path, console: Console) -> dict[str, Any]:
    """Two replicas under traffic: one is killed, then the daemon; what was lost, and what became of the fleet."""
    with tempfile.TemporaryDirectory(prefix="leadtime-burst-") as folder:
        policy = {"replicas": {"min": 2, "max": 3}, "standby": {"max": 0}}
        stack = prepared(Path(folder), python, "direct", policy, ENGINES)
        with running(stack, ("agent", "router", "daemon")):
            until(lambda: stack.serving() == 2, 240, "two replicas serve")
            with trickle(stack, FAULTS_PER_S) as first:
                time.sleep(5)
                victim = stack.replicas()[0]["name"]
                os.kill(engine_of(stack, victim), signal.SIGKILL)
                until(
                    lambda: victim not in {r["name"] for r in stack.replicas() if r["transition"] is None}, 30, "seen"
                )
                replaced_s = until(lambda: stack.serving() == 2, 240, "it is replaced")
            with trickle(stack, FAULTS_PER_S) as second:
                time.sleep(5)
                before = {r["name"] for r in stack.replicas()}
                stack.kill("daemon")
                time.sleep(15)
                stack.start("daemon")
                time.sleep(20)
                kept = {r["name"] for r in stack.replicas()} == before
    row = {
        "replica_killed": {"requests": len(first), **lost(first), "replaced_s": replaced_s},
        "daemon_killed": {"requests": len(second), **lost(second), "same_replicas": kept},
    }
    console.print(row)
    return row


def engine_of(stack: Stack, replica: str) -> int:
    """Process id of a replica's engine, by its warden's own record."""
    state = stack.folder / "engines" / "replicas" / replica / "state.json"
    return int(json.loads(state.read_text())["engine"][0])


def lost(answers: Sequence[Answered]) -> dict[str, Any]:
    """How many, and why."""
    bad = [a for a in answers if a.fate is not Fate.SERVED]
    return {"lost": len(bad), "why": sorted({str(a.why)[:100] for a in bad})}


def report(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Medians over repetitions; lost requests are summed."""
    table = Table()
    for heading in ("who", "second replica, s", "third, s", "attainment %", "TTFT P50, s", "P99, s", "lost", "back, s"):
        table.add_column(heading, justify="left" if heading == "who" else "right")
    for mode in dict.fromkeys(row["mode"] for row in rows):
        runs = [row for row in rows if row["mode"] == mode]
        table.add_row(
            mode,
            *(middle(runs, name, 1) for name in ("second_s", "third_s")),
            f"{100 * float(np.median([row['attainment'] for row in runs])):.1f}",
            *(middle(runs, name, 2) for name in ("ttft_p50_s", "ttft_p99_s")),
            str(sum(row["lost"] for row in runs)),
            middle(runs, "back_s", 0),
        )
    console.print(table)


def middle(runs: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    """The median of what came."""
    values = [run[name] for run in runs if run[name] is not None]
    return f"{float(np.median(values)):.{digits}f}" if values else "–"


def main() -> None:
    """Play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=vllm_python(), help="the interpreter that has vLLM")
    parser.add_argument("--only", default=",".join(MODES))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    console = Console(width=130, highlight=False)
    console.print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.2f}")
    modes = given.only.split(",") if given.only else []
    rows = [played(mode, given.python, console).row() for _ in range(given.repeat) for mode in modes]
    report(rows, console)
    broken = None if given.no_faults else faults(given.python, console)
    if given.json:
        given.json.write_text(json.dumps({"runs": rows, "faults": broken}, indent=1))


if __name__ == "__main__":
    main()
