"""What it is worth to learn a pool's step-time law: fleets whose true law is off what is configured, played by request.

python -m benchmarks.learning [--off 0.3] [--hours 1] [--json FILE]

For each way to be off (each of the four terms slower and faster, all together, none) the same traffic is played twice
through the backtest's machinery: with the law held at its configuration and with learning. The traffic's load follows
a wave that no cached figure helps with. Printed are the error of what one replica is believed to carry against what it
does carry by its true law (of the same mix of requests, at the start and after the run), attainment, GPU-hours, and
the factors that were learned.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.run import run
from autoscaler.capacity import rho_max
from autoscaler.learning.law import TERMS
from autoscaler.policy import Policy, Replicas
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.workload import TraceWorkload
from runtime.simulated.world import World
from runtime.traces import Trace

POOL = Pool(
    name="h100-tp2",
    service="chat",
    engine="vllm",
    gpu="H100",
    gpus_per_replica=2,
    price_usd_per_gpu_hour=2.69,
    step=StepTime(16.55, 0.041, 0.0581, 68.7),
    kv_blocks=14_000,
    max_batched_tokens=8192,
    lead_times={Tier.COLD: LeadTime(120.0, 160.0)},
)
POLICY = Policy(replicas=Replicas(min=1, max=40))
START_S = 1_767_600_000.0
MEAN_ERLANGS, WAVE_S, SWING = 4.0, 3600.0, 0.5
INPUT_TOKENS, OUTPUT_TOKENS, SPREAD = 1800.0, 260.0, 0.8


@dataclass(frozen=True, slots=True)
class OffCase(Case):
    """A case whose fleet follows another law than the pool that the controller is told."""

    true_step: StepTime = POOL.step

    @property
    def true_pool(self) -> Pool:
        """The pool as it really is."""
        return replace(self.pool, step=self.true_step)

    def world(self) -> World:
        """As ``Case``, by the true law, and from as many replicas as the configured law asks for."""
        slo = self.policy.slo
        target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
        most = self.policy.replicas.max + 4
        service = SimulatedService(self.pool.service, self.true_pool, target, self.first_replicas(), most)
        return World([service], TraceWorkload(self.trace, self.pool.service, self.start_s), self.seed)


class Player(Ours):
    """Ours, with learning or without, whose state can be looked at."""

    def __init__(self, case: Case, learns: bool) -> None:
        Ours.__init__(self, case)
        self._mind.learns = learns

    def believed(self, case: OffCase) -> float:
        """Requests per second that one replica is now believed to carry, of the case's mean request."""
        pool = case.pool if self._control.learned is None else replace(case.pool, step=self._control.learned.step)
        return carried(pool, case)

    @property
    def factors(self) -> tuple[float, ...] | None:
        """The factors that were learned."""
        return self._control.learned.factors if self._control.learned else None


def carried(pool: Pool, case: Case) -> float:
    """Requests per second that one replica carries by that pool's law, of the case's mean request."""
    lengths = float(case.trace.input_tokens.mean()), float(case.trace.output_tokens.mean())
    return rho_max(pool, case.policy.slo, *lengths).value * 1000 / pool.step.work_ms(*lengths)


def traffic(hours: float, seed: int) -> Trace:
    """Poisson arrivals whose rate is a wave, with lognormal lengths."""
    rng = np.random.default_rng(seed)
    spread = math.exp(SPREAD**2 / 2)
    mean_rate = MEAN_ERLANGS * 1000 / POOL.step.work_ms(INPUT_TOKENS, OUTPUT_TOKENS)
    n = rng.poisson(mean_rate * (1 + SWING) * hours * 3600)
    at_s = np.sort(rng.uniform(0, hours * 3600, n))
    wave = 1 + SWING * np.sin(2 * math.pi * at_s / WAVE_S - math.pi / 2)
    at_s = at_s[rng.uniform(0, 1 + SWING, n) < wave]
    inputs = np.clip(INPUT_TOKENS / spread * rng.lognormal(0, SPREAD, at_s.size), 4, 30_000).astype(np.int32)
    outputs = np.clip(OUTPUT_TOKENS / spread * rng.lognormal(0, SPREAD, at_s.size), 2, 4_000).astype(np.int32)
    return Trace("wave", at_s, inputs, outputs)


def directions(off: float) -> dict[str, tuple[float, float, float, float]]:
    """Factors between the true law and the configured one, by name; the times of a faster term are 1/(1 + off)."""
    found = {"as configured": (1.0, 1.0, 1.0, 1.0)}
    for sign, times in (("slower", 1 + off), ("faster", 1 / (1 + off))):
        found[f"all {sign}"] = (times,) * 4
        for index, term in enumerate(TERMS):
            a, b, k, p = (times if i == index else 1.0 for i in range(4))
            found[f"{term} {sign}"] = (a, b, k, p)
    return found


def play(task: tuple[str, tuple[float, float, float, float], bool], hours: float) -> dict[str, Any]:
    """One run; errors are relative, positive where more is believed than is true."""
    name, factors, learns = task
    step = POOL.step
    true = StepTime(
        step.a_ms * factors[0],
        step.b_ms_per_seq * factors[1],
        step.k_ms_per_1k_kv_tokens * factors[2],
        step.p_ms_per_1k_prefill_tokens * factors[3],
    )
    case = OffCase(name, POOL, POLICY, traffic(hours, seed=7), START_S, true_step=true)
    player = Player(case, learns)
    truth = carried(case.true_pool, case)
    before = player.believed(case) / truth - 1
    row = run(case, player).row
    after = player.believed(case) / truth - 1
    return row | {"case": name, "learns": learns, "before": before, "after": after, "factors": player.factors}


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--off", type=float, default=0.3, help="how far the true law is off, as a share")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, each on one core")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tasks = [(name, factors, learns) for name, factors in directions(given.off).items() for learns in (False, True)]
    with ProcessPoolExecutor(given.workers, multiprocessing.get_context("fork")) as workers:
        rows = list(workers.map(partial(play, hours=given.hours), tasks))
    report(f"true law {given.off:.0%} off, {given.hours:g} h", rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


def report(title: str, rows: list[dict[str, Any]]) -> None:
    """One line per direction, without and with learning."""
    table = Table(title=f"{title}: without → with learning")
    for column in ("true law", "capacity error %", "attainment %", "GPU-hours", "factors learned (a b k p)"):
        table.add_column(column, justify="left" if column == "true law" else "right")
    for plain, learned in zip(rows[::2], rows[1::2], strict=True):
        table.add_row(
            plain["case"],
            f"{100 * plain['before']:+.1f} → {100 * learned['after']:+.1f}",
            f"{100 * plain['attainment']:.2f} → {100 * learned['attainment']:.2f}",
            f"{plain['gpu_hours']:.1f} → {learned['gpu_hours']:.1f}",
            " ".join(f"{factor:.2f}" for factor in learned["factors"]),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
