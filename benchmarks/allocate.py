"""The allocation: exact on small cases, and how long it takes for a large fleet.

python -m benchmarks.allocate [--cases 200] [--repeats 5]

First random small cases against trying everything (``benchmarks/brute_force.py``). Then 100 services on 200 pools and
8,000 GPUs of four types, on demand and spot: while there is plenty of everything, while one type is short, and while
two types and the fleet's money are.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rich.console import Console
from rich.table import Table

from autoscaler.allocation import Allocation, Demand, Line, Market, Option, allocate
from benchmarks.brute_force import best, value_of
from runtime.replica import Tier

GPUS = {"H100": 2.69, "H200": 3.59, "A100": 1.59, "L4": 0.8}
SPOT_SHARE = 0.45
NODES_EACH = 250
"""Nodes of 8 GPUs of each of the four types: 8,000 GPUs."""

SERVICES = 100
GAP = 1e-3
"""How far above the least cost the large fleet may end where it fights over something scarce."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of CPU of each repetition, and what came out."""

    name: str
    cpu_ms: list[float]
    result: Allocation


def small_case(draw: random.Random) -> tuple[tuple[Demand, ...], Market]:
    """Up to two services of up to two pools, of at most three replicas each."""
    demands = tuple(_small_demand(draw, index) for index in range(draw.randint(1, 2)))
    domains = {gpu: tuple((draw.choice([2, 4]), 1) for _ in range(draw.randint(0, 3))) for gpu in ("H100", "L4")}
    limited = {gpu: there for gpu, there in domains.items() if draw.random() < 0.6}
    return demands, Market(limited, draw.choice([None, 8.0]), {"zone-1": 10.0})


def _small_demand(draw: random.Random, index: int) -> Demand:
    fast = draw.randint(0, 10) / 4
    lines = (Line("fast", fast, 0.0), Line("slow", fast + draw.randint(0, 4) / 4, draw.choice([5.0, 60.0])))
    pools = tuple(_small_option(draw, f"{index}-{k}") for k in range(draw.randint(1, 2)))
    return Demand(
        f"service-{index}", pools, lines, draw.randint(0, 1), 3, 0, draw.randint(0, 2), None, draw.randint(0, 1), 0.5
    )


def _small_option(draw: random.Random, name: str) -> Option:
    usd = draw.choice([1.0, 2.0, 4.0])
    gpus = draw.choice([Fraction(1), Fraction(2), Fraction(3), Fraction(1, 2), Fraction(3, 7)])
    tiers = {Tier.ACTIVE: usd, **({Tier.ASLEEP: usd / 4} if draw.random() < 0.5 else {})}
    now = {Tier.ACTIVE: draw.randint(0, 2)}
    erlangs, spot = draw.choice([0.5, 0.75, 1.0]), draw.choice(["", "zone-1", "zone-2"])
    return Option(
        name, draw.choice(["H100", "L4"]), gpus, erlangs, tiers, {Tier.ASLEEP: 5.0}, 60.0, 0.1, now, None, spot
    )


def large_fleet(draw: random.Random, load: float) -> tuple[Demand, ...]:
    """Services of 1 to 8 GPUs a replica, each on demand and on spot, with sleeping spares; ``load`` scales them all."""
    return tuple(_large_demand(draw, index, load) for index in range(SERVICES))


def _large_demand(draw: random.Random, index: int, load: float) -> Demand:
    gpu, gpus = draw.choice(list(GPUS)), draw.choice([1, 2, 4, 8])
    replicas = load * draw.uniform(0.6, 1.4) * 8 * NODES_EACH * len(GPUS) / SERVICES / gpus
    each, usd = draw.uniform(0.4, 0.7), GPUS[gpu] * gpus
    fast = replicas * each
    options = tuple(
        Option(
            pool=f"pool-{index}-{spot or 'on-demand'}",
            gpu=gpu,
            gpus=Fraction(gpus),
            erlangs=each,
            usd_per_hour={Tier.ACTIVE: usd * share, Tier.ASLEEP: usd * share * 0.3},
            lead_s={Tier.ASLEEP: 4.0},
            launch_s=180.0,
            launch_usd=usd * share * 0.05,
            now={Tier.ACTIVE: round(replicas * part)},
            spot=spot,
        )
        for spot, share, part in (("", 1.0, 0.5), (f"{gpu} spot", SPOT_SHARE, 0.4))
    )
    lines = (Line("fast", fast, 0.0), Line("slow", fast * 1.15, 4.0))
    base = fast * 0.5
    return Demand(f"service-{index}", options, lines, 1, 10_000, 0, 4, None, draw.randint(0, 2), base)


def timed(name: str, repeats: int, work: Callable[[], Allocation]) -> Timed:
    """Run it so many times."""
    spent = []
    for _ in range(repeats):
        before = time.process_time()
        result = work()
        spent.append((time.process_time() - before) * 1000)
    return Timed(name, spent, result)


def exactness(cases: int) -> float:
    """The largest difference from trying everything over random cases, in dollars an hour (or of weighted shortage)."""
    draw, worst = random.Random(0), 0.0
    for _ in range(cases):
        demands, market = small_case(draw)
        got = value_of(demands, allocate(demands, market).shares, market)
        worst = max(worst, *(abs(a - b) for a, b in zip(got, best(demands, market, 3), strict=True)))
    return worst


def large(repeats: int) -> list[Timed]:
    """The large fleet with plenty, with one type short, and with two types and money short."""
    nodes = dict.fromkeys(GPUS, ((8, NODES_EACH),))
    calm, busy = large_fleet(random.Random(1), 0.6), large_fleet(random.Random(1), 0.8)
    one = Market({**nodes, "H100": ((8, NODES_EACH // 2),)})
    usd = 0.95 * allocate(busy, Market(nodes), GAP).usd_per_hour
    many = Market({**nodes, "H100": ((8, NODES_EACH // 2),), "L4": ((8, NODES_EACH // 2),)}, usd)
    return [
        timed("plenty of everything", repeats, lambda: allocate(calm, Market(nodes), GAP)),
        timed("half of the H100 gone", repeats, lambda: allocate(calm, one, GAP)),
        timed("H100, L4 and money short", repeats, lambda: allocate(busy, many, GAP)),
    ]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    console = Console(width=110)
    worst = exactness(given.cases)
    console.print(f"{given.cases} random small cases: none is more than {worst:.1g} off what trying everything finds")
    table = Table(
        title=f"{SERVICES} services, {2 * SERVICES} pools, {8 * NODES_EACH * len(GPUS)} GPUs ({os.cpu_count()} cores)"
    )
    for column in ("fleet", "CPU ms, median", "max", "short", "binding", "gap"):
        table.add_column(column, justify="left" if column in ("fleet", "binding") else "right")
    for one in large(given.repeats):
        short = sum(bool(share.shortages) for share in one.result.shares)
        figures = f"{statistics.median(one.cpu_ms):.0f}", f"{max(one.cpu_ms):.0f}", str(short)
        table.add_row(one.name, *figures, ", ".join(one.result.binding), f"{one.result.gap:.1%}")
    console.print(table)


if __name__ == "__main__":
    main()
