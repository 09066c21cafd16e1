"""Real vLLM beside the simulator: the pool's four numbers fitted on one load, other loads predicted.

python -m benchmarks.fidelity_vllm --python VENV/bin/python [--paced] [--seconds 40] [--port 18977]
                                   [--save FILE | --saved FILE]

VENV is an environment of its own with vLLM for the CPU (docs/fidelity.md says how to make it). A small model with
random weights is served on loopback, a client sends fixed Poisson arrivals and notes every token. Prints the fit,
then measured → simulated for each load. ``--paced`` holds a still smaller model to ``LAW``
(``benchmarks/real/paced.py``), as if a GPU worked at it: then how fast the cores happen to be at the moment does not
matter, and what is compared is vLLM's scheduler, its memory and its server, and whether the fit finds the law that it
was not told. ``--save`` keeps every token's time; ``--saved`` fits and predicts again from such a file, without vLLM.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fidelity import client, compare, engine, steps
from benchmarks.fidelity.client import Answer
from benchmarks.fidelity.engine import Engine
from benchmarks.fidelity.loads import Load
from benchmarks.real import stack
from runtime.local import model
from runtime.pool import StepTime

AMPLE, SCARCE, SCARCER = 512, 96, 64
"""KV blocks of 32 tokens: never full, full now and then, full most of the time."""

FIT = Load("fit: mixed, rate climbing", (2.0, 14.0), (32, 384), (16, 112), 40.0, AMPLE, 1)
PREDICT = (
    Load("low rate", (4.0, 4.0), (32, 384), (16, 112), 40.0, AMPLE, 2),
    Load("high rate", (12.0, 12.0), (32, 384), (16, 112), 40.0, AMPLE, 3),
    Load("long prompts", (5.0, 5.0), (512, 1024), (16, 48), 40.0, AMPLE, 4),
    Load("long answers", (5.0, 5.0), (16, 64), (128, 256), 40.0, AMPLE, 5),
    Load("high rate, 3,040 KV tokens", (12.0, 12.0), (32, 384), (16, 112), 40.0, SCARCE, 6),
    Load("long answers, 2,016 KV tokens", (5.0, 5.0), (16, 64), (128, 256), 40.0, SCARCER, 7),
)
LAW = StepTime(a_ms=20.0, b_ms_per_seq=0.15, k_ms_per_1k_kv_tokens=0.6, p_ms_per_1k_prefill_tokens=120.0)
"""What paced steps last: like the unpaced model's, at the edge of which the small one never comes."""
SMALLER = ("--hf-overrides", json.dumps({"num_hidden_layers": 2}))

WARM_UP = Load("warm up", (5.0, 5.0), (32, 384), (16, 96), 4.0, AMPLE, 0)
PREEMPTIONS = "vllm:num_preemptions_total"

Seen = dict[str, tuple[list[Answer], int]]

console = Console(width=130, highlight=False)


def main() -> None:
    """Measure, fit, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path("python3"), help="the interpreter that has vLLM")
    parser.add_argument("--paced", action="store_true", help="steps last what a law says, not what the cores give")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each load")
    parser.add_argument("--port", type=int, default=18977)
    parser.add_argument("--save", type=Path, help="write what was measured to this file")
    parser.add_argument("--saved", type=Path, help="measure nothing, read such a file")
    given = parser.parse_args()
    loads = [load.lasting(given.seconds) for load in (FIT, *PREDICT)]
    seen = read(given.saved) if given.saved else measure(loads, given.python, given.port, LAW if given.paced else None)
    if given.save:
        write(given.save, seen)
    step = fitted(seen[FIT.name][0])
    if given.paced:
        console.print(f"the law that it was held to: {LAW}")
    report(loads, seen, step)


def measure(loads: Sequence[Load], python: Path, port: int, law: StepTime | None) -> Seen:
    """Answers and preemptions of each load; loads with the same KV blocks share an engine, in their order."""
    seen: Seen = {}
    options, variables = ((*SMALLER, *stack.PACED), stack.paced_by(asdict(law))) if law else ((), {})
    console.print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        model.write(Path(folder))
        log = Path(folder) / "log"
        for blocks, group in groupby(loads, lambda load: load.blocks):
            with engine.started(python, Path(folder), port, blocks, log, options, variables) as running:
                send(running, WARM_UP)
                seen |= {load.name: send(running, load) for load in group}
    return seen


def send(running: Engine, load: Load) -> tuple[list[Answer], int]:
    """One load, alone."""
    before = running.counter(PREEMPTIONS)
    answers = client.serve(running.url, engine.NAME, load.trace(), load.seed)
    lag_ms = 1000 * np.percentile([answer.sent_s - answer.arrival_s for answer in answers], (50, 99))
    console.print(
        f"{load.name}: {len(answers)} requests; sent late by {lag_ms[0]:.1f} ms (P99 {lag_ms[1]:.1f}); "
        f"load average {os.getloadavg()[0]:.2f}"
    )
    return answers, int(running.counter(PREEMPTIONS) - before)


def fitted(answers: Sequence[Answer]) -> StepTime:
    """The four numbers, and how well they explain the steps that they come from."""
    x, y = steps.steps(answers, engine.BATCHED_TOKENS)
    step, errors = steps.fit(x, y)
    off = 100 * np.percentile(np.abs(errors), (50, 90, 99))
    console.print(
        f"a {step.a_ms:.2f} ms, b {step.b_ms_per_seq:.3f} ms per sequence, k {step.k_ms_per_1k_kv_tokens:.3f} ms per "
        f"1,000 KV tokens, p {step.p_ms_per_1k_prefill_tokens:.1f} ms per 1,000 prefill tokens; {len(y):,} steps of "
        f"{y.min():.1f} to {y.max():.1f} ms with {x[:, 1].max():.0f} sequences at most; "
        f"error of a step: P50 {off[0]:.1f} %, P90 {off[1]:.1f} %, P99 {off[2]:.1f} %"
    )
    return step


def report(loads: Sequence[Load], seen: Seen, step: StepTime) -> None:
    """Each load, the fitted one first, then all that were predicted: with the time before the engine, and without."""
    front_s = compare.front_s(seen[FIT.name][0], step, FIT.blocks)
    console.print(f"HTTP, processes and client add {1000 * front_s:.1f} ms to a first token, by the same load")
    real = {load.name: compare.measured(*seen[load.name]) for load in loads}
    ours = predictions(loads, seen, step, front_s)
    table = Table("load", "figure", *(f"P{q}" for q in compare.PERCENTILES), title="measured → simulated")
    for load in loads:
        for row in compare.rows(load.name, real[load.name], ours[load.name]):
            table.add_row(*row)
        table.add_section()
    console.print(table)
    for title, figures in (("", ours), (", engine alone", predictions(loads, seen, step, 0.0))):
        predicted = [(real[name], figures[name]) for name in real if name != FIT.name]
        summary = Table("error in %", "median load", "worst load", title=f"{len(predicted)} predicted loads{title}")
        for row in compare.errors(predicted):
            summary.add_row(*row)
        console.print(summary)


def predictions(loads: Sequence[Load], seen: Seen, step: StepTime, front_s: float) -> dict[str, compare.Figures]:
    """What the simulator says of each load."""
    return {load.name: compare.simulated(seen[load.name][0], step, load.blocks, front_s) for load in loads}


def write(path: Path, seen: Seen) -> None:
    """Keep what was measured: per load its preemptions, and each answer with the times of its tokens."""
    fields = ("arrival_s", "sent_s", "input_tokens")
    kept = {
        name: {
            "preemptions": preemptions,
            "answers": [[*(getattr(answer, f) for f in fields), answer.token_s.tolist()] for answer in answers],
        }
        for name, (answers, preemptions) in seen.items()
    }
    path.write_text(json.dumps(kept))


def read(path: Path) -> Seen:
    """The inverse of ``write``."""
    return {
        name: (
            [Answer(at, sent, prompt, np.array(token_s)) for at, sent, prompt, token_s in kept["answers"]],
            kept["preemptions"],
        )
        for name, kept in json.loads(path.read_text()).items()
    }


if __name__ == "__main__":
    main()
