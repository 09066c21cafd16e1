"""LARRY and shortest predicted first against first come first served, inside real vLLM with a tight KV cache.

python -m benchmarks.larry_vllm --python VENV/bin/python [--modelled | --paced] [--seconds 40] [--repeat 2]
                                [--save FILE | --saved FILE]

VENV is an environment of its own with vLLM for the CPU (docs/fidelity.md says how to make it). A burst of requests that
all come at once says how many the engine completes per second; then the same fixed Poisson arrivals are sent at a half,
95 % and 120 % of that, to a fresh engine for each scheduler and repetition, in alternating order. Lengths are those of
the Azure conversation trace of 2023, divided by four to suit a cache of 16,352 tokens.

``--modelled`` sends the same through vLLM's scheduler and block tables alone, whose steps last as docs/fidelity.md says
of this engine: each repetition has arrivals of its own, and no noise of the machine is in the figures. ``--paced`` is
the whole engine over HTTP, of a still smaller model whose steps are held to that law (``benchmarks/real/paced.py``).

The client asks for exactly as many tokens as it gets, so LARRY is forbidden to look at ``max_tokens``. Levels follow
each other on an engine from low to overload, so at the lowest LARRY still knows few lengths.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.fidelity import client, engine, modelled
from benchmarks.fidelity.client import Answer
from benchmarks.fidelity.engine import Engine
from benchmarks.fidelity_vllm import PREEMPTIONS, SMALLER, Seen, read, write
from benchmarks.real import stack
from runtime.local import model
from runtime.traces import Trace

SCHEDULERS = {
    "FCFS": (),
    "LARRY": ("--scheduler-cls", "runtime.schedulers.larry.LarryScheduler"),
    "predicted": ("--scheduler-cls", "runtime.schedulers.predicted.PredictedScheduler"),
}
PACED = {
    "FCFS": "benchmarks.real.paced.PacedScheduler",
    "LARRY": "benchmarks.real.paced.PacedLarry",
    "predicted": "benchmarks.real.paced.PacedPredicted",
}
LEVELS = {"low": 0.5, "near capacity": 0.95, "overload": 1.2}
BLOCKS = 512
BURST = 240

BOUND_S = 15.0
PATIENCE_S = 12.0
"""Who has waited so long is next; the rest of the bound is for the memory of who runs to come free."""
LAW_MS = (10.64, 0.051, 0.760, 111.5)
"""The step time that docs/fidelity.md measured of this engine."""
SETTINGS = {
    "TTFT_S": str(PATIENCE_S / 2),
    "TPOT_S": "0.08",
    "STEP_MS": ",".join(map(str, LAW_MS)),
    "TRUST_MAX_TOKENS": "0",
}
VARIABLES = {f"LEADTIME_SCHEDULER_{name}": value for name, value in SETTINGS.items()}

PERCENT = (0, 5, 10, 25, 40, 50, 60, 75, 80, 90, 95, 99)
PROMPTS = (1, 45, 52, 99, 176, 255, 268, 297, 329, 684, 1021, 1036)
ANSWERS = (2, 10, 14, 21, 26, 32, 44, 99, 100, 106, 113, 150)
"""A quarter of the trace's lengths at these percentiles; the two are next to independent there (correlation -0.11)."""

console = Console(width=150, highlight=False)


@dataclass(frozen=True, slots=True)
class Figures:
    """One load: seconds, output tokens per second, and requests that waited past the bound."""

    ttft_mean_s: float
    ttft_p99_s: float
    ttft_max_s: float
    tpot_mean_s: float
    tpot_p99_s: float
    preemptions: float
    tokens_per_s: float
    past_bound: float

    @classmethod
    def of(cls, answers: Sequence[Answer], preemptions: int) -> Figures:
        """What the client saw, and the engine's counter."""
        ttft_s = np.array([answer.ttft_s for answer in answers])
        tpot_s = np.array([answer.tpot_s for answer in answers])
        took_s = max(float(answer.token_s[-1]) for answer in answers) - answers[0].arrival_s
        return cls(
            float(ttft_s.mean()),
            float(np.percentile(ttft_s, 99)),
            float(ttft_s.max()),
            float(np.nanmean(tpot_s)),
            float(np.nanpercentile(tpot_s, 99)),
            preemptions,
            sum(len(answer.token_s) for answer in answers) / took_s,
            float((ttft_s > BOUND_S).sum()),
        )

    @classmethod
    def middle(cls, several: Sequence[Figures]) -> Figures:
        """The median of each figure."""
        return cls(*(median(getattr(one, name) for one in several) for name in cls.__slots__))

    def cells(self) -> list[str]:
        """As the table shows it."""
        tpot_ms = f"{1000 * self.tpot_mean_s:.1f} / {1000 * self.tpot_p99_s:.0f}"
        ttft_s = f"{self.ttft_mean_s:.2f} / {self.ttft_p99_s:.2f} / {self.ttft_max_s:.2f}"
        return [ttft_s, tpot_ms, f"{self.preemptions:g}", f"{self.tokens_per_s:.0f}", f"{self.past_bound:g}"]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path("python3"), help="the interpreter that has vLLM")
    parser.add_argument("--modelled", action="store_true", help="vLLM's scheduler alone, steps by the law")
    parser.add_argument("--paced", action="store_true", help="the whole engine, steps by the law")
    parser.add_argument("--schedulers", nargs="+", choices=SCHEDULERS, default=list(SCHEDULERS))
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each load")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--per-s", type=float, help="capacity in requests per second, instead of measuring it")
    parser.add_argument("--port", type=int, default=18978)
    parser.add_argument("--save", type=Path, help="write what was measured to this file")
    parser.add_argument("--saved", type=Path, help="measure nothing, read such a file")
    given = parser.parse_args()
    seen = read(given.saved) if given.saved else play(given) if given.modelled else measure(given)
    if given.save:
        write(given.save, seen)
    report(seen)


def measure(given: argparse.Namespace) -> Seen:
    """Answers and preemptions by level, scheduler and repetition; kept whenever an engine is through."""
    seen: Seen = {}
    python, port = given.python, given.port
    console.print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        model.write(Path(folder))
        per_s = given.per_s or capacity(python, Path(folder), port, given.paced)
        for repetition in range(given.repeat):
            for scheduler in given.schedulers[:: -1 if repetition % 2 else 1]:
                with serving(python, Path(folder), port, scheduler, given.paced) as running:
                    send(running, trace(per_s / 3, 4.0, 0), 0)
                    for seed, (level, share) in enumerate(LEVELS.items(), 1):
                        load = trace(share * per_s, given.seconds, seed)
                        seen[f"{level}|{scheduler}|{repetition}"] = send(running, load, seed)
                        count, busy = len(load.arrival_s), os.getloadavg()[0]
                        console.print(f"{level}, {scheduler}: {count} requests; load average {busy:.2f}")
                if given.save:
                    write(given.save, seen)
    return seen


def serving(python: Path, folder: Path, port: int, scheduler: str, paced: bool) -> AbstractContextManager[Engine]:
    """A fresh engine with that scheduler."""
    variables = VARIABLES | stack.paced_by(dict(zip(stack.STEP, LAW_MS, strict=True)))
    slowed = (*SMALLER, *stack.PACED, "--scheduler-cls", PACED[scheduler])
    options = slowed if paced else SCHEDULERS[scheduler]
    return engine.started(python, folder, port, BLOCKS, folder / "log", options, variables)


def play(given: argparse.Namespace) -> Seen:
    """As ``measure``, with modelled steps."""

    def case(scheduler: str, load: Trace) -> dict[str, Any]:
        name = SCHEDULERS[scheduler][-1] if SCHEDULERS[scheduler] else modelled.VLLM_S_OWN
        return modelled.case(name, trace(3.0, 40.0, 0), load, LAW_MS, blocks=BLOCKS, variables=VARIABLES)

    burst = modelled.play(given.python, [case("FCFS", trace(BURST / 0.1, 0.1, 9))])
    per_s = given.per_s or throughput(burst[0][0])
    loads = {
        f"{level}|{scheduler}|{repetition}": case(
            scheduler, trace(share * per_s, given.seconds, 10 * repetition + seed)
        )
        for repetition in range(given.repeat)
        for scheduler in given.schedulers
        for seed, (level, share) in enumerate(LEVELS.items(), 1)
    }
    return dict(zip(loads, modelled.play(given.python, list(loads.values())), strict=True))


def capacity(python: Path, folder: Path, port: int, paced: bool) -> float:
    """Requests per second that the engine completes, first come first served."""
    with serving(python, folder, port, "FCFS", paced) as running:
        send(running, trace(10.0, 4.0, 0), 0)
        answers, _ = send(running, trace(BURST / 0.1, 0.1, 9), 9)
    return throughput(answers)


def throughput(answers: Sequence[Answer]) -> float:
    """Requests per second that end in the middle of a burst."""
    ended_s = np.sort([answer.token_s[-1] for answer in answers])
    low, high = round(0.2 * BURST), round(0.8 * BURST)
    per_s = (high - low) / float(ended_s[high] - ended_s[low])
    console.print(f"capacity: {per_s:.1f} requests per second, of a burst of {BURST}")
    return per_s


def trace(per_s: float, seconds: float, seed: int) -> Trace:
    """Poisson arrivals, fixed by the seed."""
    rng = np.random.default_rng(seed)
    count = round(per_s * seconds)
    arrival_s = np.sort(rng.random(count) * seconds)
    return Trace("conversations", arrival_s, _lengths(rng, count, PROMPTS), _lengths(rng, count, ANSWERS))


def _lengths(rng: np.random.Generator, count: int, quantiles: Sequence[int]) -> npt.NDArray[np.int32]:
    return np.interp(rng.random(count) * PERCENT[-1], PERCENT, quantiles).astype(np.int32)


def send(running: Engine, load: Trace, seed: int) -> tuple[list[Answer], int]:
    """One load, alone."""
    before = running.counter(PREEMPTIONS)
    answers = client.serve(running.url, engine.NAME, load, seed)
    return answers, int(running.counter(PREEMPTIONS) - before)


def report(seen: Seen) -> None:
    """Medians over the repetitions, and the mean TTFT of each beside FCFS."""
    table = Table(
        *("load", "scheduler", "TTFT mean / P99 / longest, s", "TPOT mean / P99, ms", "preemptions"),
        *("tokens/s", f"past {BOUND_S:g} s", "mean TTFT against FCFS, by repetition"),
    )
    for level in LEVELS:
        by = {one: list(_repetitions(seen, level, one)) for one in SCHEDULERS}
        for scheduler, runs in ((one, runs) for one, runs in by.items() if runs):
            pairs = zip(runs, by["FCFS"], strict=False)
            against = " ".join(f"{100 * (run.ttft_mean_s / fcfs.ttft_mean_s - 1):+.0f} %" for run, fcfs in pairs)
            table.add_row(level, scheduler, *Figures.middle(runs).cells(), "" if scheduler == "FCFS" else against)
        table.add_section()
    console.print(table)


def _repetitions(seen: Seen, level: str, scheduler: str) -> Iterator[Figures]:
    for name, (answers, preemptions) in seen.items():
        if name.rsplit("|", 1)[0] == f"{level}|{scheduler}":
            yield Figures.of(answers, preemptions)


if __name__ == "__main__":
    main()
