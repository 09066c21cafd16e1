"""One service on dedicated GPUs: ours and the peers on the standard cases, at equal attainment and against the oracle.

python -m benchmarks.one_service TRACES_FOLDER [--cases m-small@180,m-large@180] [--only hpa,keda-slo] [--seeds 3]
                                 [--frozen 60,120] [--jobs 1] [--kept FOLDER] [--as-of LABEL] [--json FILE]

A case is a traffic and a cold start in seconds: ``azure``, ``m-small`` or ``m-large`` at 60, 180 or 600. Every
contender's main knob is set on the training day, as ``benchmarks/contenders.py`` does it, for the least cost at the
attainment asked for, and stays for the day that counts; peers are played at their defaults too. Ours is played as the
training left it (``leadtime, frozen``; ``--frozen`` at other prices too) and tuning itself from there (``leadtime``).

"cost / ours" compares at the same attainment: a peer's cost on the day itself is interpolated between two values of its
knob, one on either side of ours' attainment, on the logarithm of the missed share. Where no value of the knob lies on
one side, the cell says so (``≥`` the dearest that still attains less, ``–`` where all attain more). "/ oracle" is
GPU-hours over the least that anyone who knows the load could bill at the attainment promised.

Every run is kept under its content in ``--kept``, so that what was interrupted goes on where it stopped. The code is
part of the content; ``--as-of LABEL`` stands in for it, for measurements that go on while code is worked on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Contender, Ours
from autoscaler.backtest.registry import OURS, PEERS, contender, least_of
from autoscaler.backtest.run import run
from autoscaler.policy import Risk, Tuning, TuningMode
from benchmarks import equal, keeping
from benchmarks.contenders import SHORTAGE_USD, best, standard
from benchmarks.keeping import Kept
from runtime.pool import LeadTime
from runtime.replica import Tier

FROZEN = "leadtime, frozen"
PLAYED = ("hpa", "keda-slo", "knative", "ray-serve")
COLD_STARTS_S = (60, 180, 600)
SPREAD = 160 / 120
"""P90 over P50 of a cold start."""

CASES = tuple(f"{name}@{cold}" for name in ("m-small", "m-large", "azure") for cold in COLD_STARTS_S)
HOPELESS = 0.9
"""Where two values of a knob attain less than this in training, still more careless ones are not played."""

ROW = ("attainment", "requests", "gpu_hours", "cost_usd", "scale_ups", "scale_downs")


@dataclass(frozen=True, slots=True)
class Job:
    """One run: who, with which knob (None: the default), on which span, with which draw."""

    case: str
    who: str
    knob: float | None
    training: bool = False
    seed: int = 0


@dataclass(slots=True)
class Bench:
    """Cases by name (training, test), where results are kept, and who plays them."""

    folder: Path
    kept: Kept
    cases: dict[str, tuple[Case, Case]] = field(default_factory=dict)

    def case(self, name: str) -> tuple[Case, Case]:
        """The training and the test case; made once."""
        if name not in self.cases:
            traffic, _, cold = name.partition("@")
            leads = {Tier.COLD: LeadTime(float(cold), float(cold) * SPREAD)}
            pair = standard(traffic, self.folder, 86400.0)
            training, test = (replace(c, pool=replace(c.pool, lead_times=leads)) for c in pair)
            self.cases = {name: (training, test)}
        return self.cases[name]

    def rows(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """The rows of these jobs, in order; played only where they are not kept."""
        return self.kept.rows(jobs, play, _inherit, lambda: self._all(jobs))

    def _all(self, jobs: Sequence[Job]) -> tuple[dict[str, tuple[Case, Case]]]:
        for job in jobs:
            self.case(job.case)
        return (self.cases,)


_cases: dict[str, tuple[Case, Case]]


def _inherit(cases: dict[str, tuple[Case, Case]]) -> None:
    global _cases
    _cases = cases


def play(job: Job) -> dict[str, Any]:
    """One run's figures."""
    case = replace(_cases[job.case][0 if job.training else 1], seed=job.seed)
    if job.who not in (OURS, FROZEN):
        turned = job.who if job.knob is None else f"{job.who}@{job.knob:g}"
        row = run(case, contender(turned, case)).row
        return {name: row[name] for name in ROW}
    tuning = Tuning(mode=TuningMode.AUTO if job.who == OURS else TuningMode.OFF)
    risk = Risk() if job.knob is None else Risk(shortage_usd_per_replica_hour=job.knob)
    case = replace(case, policy=case.policy.model_copy(update={"risk": risk, "tuning": tuning}))
    playing = contender(OURS, case)
    row = run(case, playing).row
    return {name: row[name] for name in ROW} | {"regret": regret_of(playing)}


def regret_of(playing: Contender) -> float | None:
    """What ours, at the last search, had lost against the best settings in hindsight; None where it did not tune."""
    tuner = playing.tuner if isinstance(playing, Ours) else None
    return tuner.choice.regret if tuner and tuner.choice else None


# --- what is played --------------------------------------------------------------------------------------------------


def knobs(who: str) -> tuple[float, ...]:
    """Values worth trying in training."""
    return SHORTAGE_USD if who in (OURS, FROZEN) else PEERS[who].knob[1]


def trained(bench: Bench, name: str, who: str) -> float:
    """The knob's value that the training day says."""
    tuned_as, rows = FROZEN if who == OURS else who, list[dict[str, Any]]()
    for value in sorted(knobs(who)):  # a peer's from careful to careless
        rows += bench.rows([Job(name, tuned_as, value, training=True)])
        if len(rows) > 1 and max(row["attainment"] for row in rows[-2:]) < HOPELESS:
            break
    asked = bench.case(name)[0].policy.slo.attainment
    return float(best((row | {"knob": row["job"]["knob"]} for row in rows), asked)["knob"])


def attained(rows: Iterable[dict[str, Any]]) -> float:
    """Mean attainment of some runs."""
    return float(np.mean([row["attainment"] for row in rows]))


def around(bench: Bench, name: str, who: str, knob: float, target: float) -> list[dict[str, Any]]:
    """One run each at the knob's value and at neighbours, until the target's attainment lies between two."""
    return equal.walked(knobs(who), knob, target, lambda value: bench.rows([Job(name, who, value)])[0])


# --- the report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: runs of one contender with one knob over seeds."""

    who: str
    knob: str
    rows: Sequence[dict[str, Any]]
    same: tuple[str, float] | None = None


def lines(bench: Bench, name: str, peers: Sequence[str], seeds: int, frozen_usd: Sequence[float] = ()) -> list[Line]:
    """Everything that is said of a case."""
    draws = range(seeds)
    chosen = trained(bench, name, OURS)
    ours = bench.rows([Job(name, OURS, chosen, seed=seed) for seed in draws])
    found = [Line(OURS, f"from ${chosen:g}", ours)]
    for price in (chosen, *frozen_usd):
        found.append(Line(FROZEN, f"${price:g}", bench.rows([Job(name, FROZEN, price, seed=seed) for seed in draws])))
    for who in peers:
        knob = trained(bench, name, who)
        tuned = bench.rows([Job(name, who, knob, seed=seed) for seed in draws])
        same = equal.cost_at(around(bench, name, who, knob, attained(ours)), attained(ours))
        found.append(Line(who, f"{knob:g}", tuned, same))
        found.append(Line(who, "default", bench.rows([Job(name, who, None, seed=seed) for seed in draws])))
    return found


def interval(values: Sequence[float], digits: int) -> str:
    """Mean ± half width of its 95 % confidence interval (Student's t)."""
    mean = f"{np.mean(values):,.{digits}f}"
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{mean} ± {half:.{digits}f}"


def report(bench: Bench, name: str, found: Sequence[Line], console: Console) -> None:
    """Print one case's table."""
    case = bench.case(name)[1]
    oracle = least_of(case).replica_s / 3600 * case.pool.gpus_per_replica
    ours = float(np.mean([row["gpu_hours"] for row in found[0].rows]))
    console.print(f"\n{name}: {case.trace.requests:,} requests on {case.pool.name}; oracle {oracle:.1f} GPU-hours\n")
    table = Table()
    headings = ("contender", "knob", "attainment %", "missed", "GPU-hours", "/ ours", "/ ours, same %", "/ oracle")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    for line in found:
        hours = float(np.mean([row["gpu_hours"] for row in line.rows]))
        table.add_row(
            line.who,
            line.knob,
            interval([100 * row["attainment"] for row in line.rows], 2),
            f"{np.mean([(1 - row['attainment']) * row['requests'] for row in line.rows]):,.0f}",
            interval([row["gpu_hours"] for row in line.rows], 1),
            f"{hours / ours:.2f}",
            "" if line.same is None else f"{line.same[0].replace('=', '')}{line.same[1] / ours:.2f}",
            f"{hours / oracle:.2f}",
        )
    console.print(table)


def main() -> None:
    """Tune, play, print, case by case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--only", default=",".join(PLAYED), help="peers to play, with commas between")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frozen", default="", help="further prices at which ours is played frozen")
    keeping.asked(parser, "one_service", jobs=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    bench = Bench(given.traces, keeping.of(given))
    console, told = Console(width=130), []
    peers = [who for who in given.only.split(",") if who]
    frozen_usd = [float(price) for price in given.frozen.split(",") if price]
    for name in given.cases.split(","):
        found = lines(bench, name, peers, given.seeds, frozen_usd)
        report(bench, name, found, console)
        told += [
            {"case": name, "who": line.who, "knob": line.knob, "same": line.same, "rows": line.rows} for line in found
        ]
    if given.json:
        given.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
