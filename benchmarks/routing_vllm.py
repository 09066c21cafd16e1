"""Routers over three real vLLM replicas: conversations whose prompts grow, more of them than one prefix cache holds.

python -m benchmarks.routing_vllm [--python VENV/bin/python] [--rate 5] [--seconds 60] [--repeat 3]
                                  [--only round-robin,sal] [--json FILE]

Three engines, each with a KV cache of 512 blocks of 32 tokens, held to the pace of a larger model so that they leave
each other the cores (``benchmarks.real.paced``): 30 ms a step, 800 ms for 1,000 tokens of prompt. Sessions begin by a
Poisson process; each turn's prompt is all that was said before and a message, with lengths of the Azure conversation
trace of 2023 divided by eight (``benchmarks.larry_vllm`` has the quarter). Every router gets the same arrivals and
lengths, but tokens of its own, so nobody finds what another left in the caches; the order of routers changes with each
repetition. ``cached`` is what vLLM says of its own prefix caches. Medians over the repetitions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.conversations import Shape, conversations
from benchmarks.larry_vllm import trace as arrivals
from benchmarks.real.stack import SERVICE, Engines, Stack, prepared, running, until, vllm_python
from runtime.agent.client import RemoteFleet
from runtime.fleet import PoolTarget
from runtime.local.model import MAX_TOKENS
from runtime.traces import Trace
from runtime.traces.replay import Answered, Endpoint, Fate, replay

ROUTERS = ("round-robin", "power-of-two", "prefix-affinity", "lmetric", "sal")
REPLICAS = 3
LAW = {"a_ms": 30.0, "b_ms_per_seq": 1.0, "k_ms_per_1k_kv_tokens": 0.5, "p_ms_per_1k_prefill_tokens": 800.0}
ENGINES = Engines(seqs=32, step=LAW, paced=LAW)
SHAPE = Shape(turns_mean=6.0, pause_mean_s=6.0, system_prompts=8, system_tokens_median=200.0, most_tokens=MAX_TOKENS)
TURNS_KEPT = 3.5
"""Turns of a session that ``most_tokens`` leaves, in the mean; with the rate of requests it gives that of sessions."""

SETTLE_S = 15.0
"""Requests before this fill the caches and are not counted."""


def load(per_s: float, seconds: float, seed: int) -> Trace:
    """Turns of many sessions, about so many a second; those of the beginning are thinner, since sessions have begun."""
    lengths = arrivals(50.0, 10.0, seed)
    eighth = replace(lengths, input_tokens=lengths.input_tokens // 2 + 1, output_tokens=lengths.output_tokens // 2 + 1)
    per_session = per_s / TURNS_KEPT
    warm_s = SHAPE.turns_mean * SHAPE.pause_mean_s
    made = conversations(eighth, round(per_session * (seconds + 2 * warm_s)), per_session, seed, SHAPE)
    inside = (made.arrival_s >= warm_s) & (made.arrival_s < warm_s + seconds)
    part = made.take(inside)
    return replace(part, arrival_s=part.arrival_s - warm_s)


def started(stack: Stack) -> None:
    """The agent, asked for three replicas, and all of them there."""

    async def asked() -> None:
        fleet = RemoteFleet(stack.url("agent"), stack.token)
        await fleet.apply([PoolTarget(SERVICE, "cpu", REPLICAS)], "benchmark")
        await fleet.close()

    asyncio.run(asked())
    until(lambda: stack.serving() == REPLICAS, 300, "three replicas serve")


def routed(stack: Stack, router: str, trace: Trace, seed: int) -> dict[str, Any]:
    """One router, started anew, and what its clients saw."""
    content = yaml.safe_load(stack.config.read_text())
    content["router"]["policy"] = router
    stack.config.write_text(yaml.safe_dump(content, sort_keys=False))
    stack.start("router")
    try:
        until(lambda: reachable(stack), 30, "the router knows three replicas")
        before = prefix_counts(stack)
        answers = asyncio.run(replay(trace, Endpoint(stack.url("router"), SERVICE), seed=seed))
        asked, hit = (after - first for after, first in zip(prefix_counts(stack), before, strict=True))
    finally:
        stack.kill("router")
    return {"router": router, "cached": hit / asked, **figures(answers)}


def reachable(stack: Stack) -> bool:
    """Whether the router sends to all of them."""
    told = httpx.get(stack.url("router") + "/healthz", timeout=5.0).json()
    return bool(told["replicas"][SERVICE] == REPLICAS)


def pages(stack: Stack) -> list[str]:
    """The engines' own metrics."""
    urls = [row["base_url"] for row in stack.replicas() if row["tier"] == "active" and row["transition"] is None]
    return [httpx.get(f"{url}/metrics", timeout=10.0).text for url in urls]


def prefix_counts(stack: Stack) -> tuple[float, float]:
    """Prompt tokens looked up in the prefix caches so far, and found there."""
    told = "\n".join(pages(stack))
    names = ("queries", "hits")
    found = [re.findall(rf"^vllm:prefix_cache_{name}_total{{[^}}]*}} (\S+)$", told, re.M) for name in names]
    asked, hit = (sum(map(float, values)) for values in found)
    return asked, hit


def figures(answers: Sequence[Answered]) -> dict[str, Any]:
    """Times of those served after the caches have filled."""
    counted = [answer for answer in answers if answer.due_s >= SETTLE_S]
    served = [answer for answer in counted if answer.fate is Fate.SERVED]
    ttft_s = [answer.ttft_s for answer in served if answer.ttft_s is not None]
    tpot_s = [answer.tpot_s for answer in served if answer.tpot_s is not None]
    return {
        "requests": len(counted),
        "lost": len(counted) - len(served),
        "ttft_mean_s": float(np.mean(ttft_s)),
        "ttft_p50_s": float(np.median(ttft_s)),
        "ttft_p99_s": float(np.percentile(ttft_s, 99)),
        "tpot_mean_s": float(np.mean(tpot_s)),
    }


def report(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Medians, and the mean TTFT of each repetition against the first router's."""
    table = Table()
    for heading in (
        "",
        "TTFT mean, s",
        "P50",
        "P99",
        "TPOT mean, ms",
        "cached",
        "lost",
        f"mean TTFT / {rows[0]['router']}'s",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    base = [row["ttft_mean_s"] for row in rows if row["router"] == rows[0]["router"]]
    for router in dict.fromkeys(row["router"] for row in rows):
        runs = [row for row in rows if row["router"] == router]
        ratios = [run["ttft_mean_s"] / first for run, first in zip(runs, base, strict=False)]
        table.add_row(
            router,
            *(f"{median(run[name] for run in runs):.3f}" for name in ("ttft_mean_s", "ttft_p50_s", "ttft_p99_s")),
            f"{1e3 * median(run['tpot_mean_s'] for run in runs):.1f}",
            f"{median(run['cached'] for run in runs):.1%}",
            str(sum(run["lost"] for run in runs)),
            ", ".join(f"{ratio:.2f}" for ratio in ratios),
        )
    console.print(table)


def main() -> None:
    """Play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=vllm_python(), help="the interpreter that has vLLM")
    parser.add_argument("--rate", type=float, default=5.0, help="requests per second, about")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default=",".join(ROUTERS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    console = Console(width=130, highlight=False)
    console.print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.2f}")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="leadtime-routing-") as folder:
        stack = prepared(
            Path(folder), given.python, "direct", {"replicas": {"min": REPLICAS, "max": REPLICAS}}, ENGINES
        )
        with running(stack, ("agent",)):
            started(stack)
            for repetition in range(given.repeat):
                trace = load(given.rate, given.seconds, repetition)
                order = random.Random(repetition).sample(ROUTERS, len(ROUTERS))
                order = [router for router in order if router in given.only.split(",")]
                for router in order:
                    seed = 1 + repetition * len(ROUTERS) + ROUTERS.index(router)
                    rows.append(row := routed(stack, router, trace, seed))
                    console.print(row)
    console.print(f"{trace.requests} requests in {given.seconds:g} s, {np.mean(trace.input_tokens):.0f} prompt tokens")
    report(sorted(rows, key=lambda row: ROUTERS.index(row["router"])), console)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
