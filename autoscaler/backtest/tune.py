"""Searching our policy's knobs: thousands screened by the fluid model, the best few confirmed request by request.

The screen is cheap and a little wrong, so it only proposes: settings on its Pareto front of cost against attainment,
around the promised attainment. What they cost and attain is then simulated, and what the simulation says about the
screen's error moves the next proposals. The recommended policy is the cheapest one that keeps the promise on the
training span; how it does on a span nobody tuned on is told beside it.

Pure. The same case, count and seed propose the same settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.case import Case, offered_load
from autoscaler.backtest.contenders import SCRAPE_S
from autoscaler.backtest.fluid import Estimate, Fluid, Quantile
from autoscaler.policy import Policy
from autoscaler.tuning.knobs import anywhere, near
from runtime.pool import Pool
from runtime.traces import Trace

T = TypeVar("T")

SHARE_AT_RANDOM = 0.5
"""The first half of the screen looks everywhere, the other near what was best."""

MISSES = (1.0, 0.5, 2.0, 0.7, 1.4, 0.3, 3.0, 0.15)
"""Multiples of the allowed share of misses at which proposals are made, in the order of their use."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy, and what the screen makes of it."""

    policy: Policy
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A candidate with its row from the request-level simulation, in the field names of DESIGN 5."""

    candidate: Candidate
    row: dict[str, Any]


# --- spans ---------------------------------------------------------------------------------------------------------


def split(case: Case, train_share: float) -> tuple[Case, Case]:
    """The case cut in two by time; the second part knows the load of the first, as a daemon that ran there would.

    Raises ValueError where a part would hold no requests.
    """
    at_s = case.trace.duration_s * train_share
    first, rest = _part(case.trace, 0.0, at_s), _part(case.trace, at_s, math.inf)
    if min(first.requests, rest.requests) == 0:
        raise ValueError(
            f"train share {train_share:g} leaves {first.requests} requests to train on and {rest.requests} to "
            f"validate on; give a longer trace or another share"
        )
    load = offered_load(case.pool, first, SCRAPE_S)
    times: npt.NDArray[np.float64] = case.start_s + SCRAPE_S * np.arange(1.0, len(load) + 1)
    return replace(case, trace=first), replace(case, trace=rest, start_s=case.start_s + at_s, past=(times, load))


def _part(trace: Trace, from_s: float, until_s: float) -> Trace:
    first, last = np.searchsorted(trace.arrival_s, (from_s, until_s))
    part = trace.take(slice(first, last))
    return replace(part, arrival_s=part.arrival_s - from_s)


# --- the screen ----------------------------------------------------------------------------------------------------


def screen(fluid: Fluid, policy: Policy, pool: Pool, count: int, seed: int) -> Iterator[Candidate]:
    """The policy as it is, then ``count`` settings: at random first, then near the front of what was found."""
    rng = np.random.default_rng(seed)
    found = [_judged(fluid, policy, pool)]
    yield found[0]
    best: list[Candidate] = []
    for at in range(count):
        if at < count * SHARE_AT_RANDOM:
            drawn = anywhere(policy, pool, rng)
        else:
            if not best or at % 100 == 0:
                best = front(found, _cost, _attained)
            drawn = near(best[int(rng.integers(len(best)))].policy, pool, rng)
        found.append(_judged(fluid, drawn, pool))
        yield found[-1]


def _judged(fluid: Fluid, policy: Policy, pool: Pool) -> Candidate:
    return Candidate(policy, fluid.estimate(Quantile.of(policy, pool)))


def _cost(candidate: Candidate) -> float:
    return candidate.estimate.replica_s


def _attained(candidate: Candidate) -> float:
    return candidate.estimate.attainment


# --- the choice ----------------------------------------------------------------------------------------------------


def front(points: Sequence[T], cost: Callable[[T], float], attained: Callable[[T], float]) -> list[T]:
    """What nothing else beats in both: from the cheapest to the dearest, each attaining more than the one before."""
    best: list[T] = []
    for point in sorted(points, key=lambda p: (cost(p), -attained(p))):
        if not best or attained(point) > attained(best[-1]):
            best.append(point)
    return best


def proposals(found: Sequence[Candidate], target: float, count: int, error: float = 0.0) -> list[Candidate]:
    """Settings worth a simulation: the cheapest in the screen for shares of misses around the allowed one.

    ``error`` is what the screen's attainment is too high by. Where the screen holds a share for impossible, its highest
    attainment stands in.
    """
    best = front(found, _cost, _attained)
    chosen: list[Candidate] = []
    for multiple in MISSES:
        asked = 1 - multiple * (1 - target) + error
        pick = next((c for c in best if _attained(c) >= asked), best[-1])
        if pick not in chosen:
            chosen.append(pick)
    return chosen[:count]


def misjudged(confirmed: Sequence[Confirmed]) -> float:
    """By how much the screen's attainment was too high: the median over what was confirmed."""
    return float(np.median([_attained(c.candidate) - c.row["attainment"] for c in confirmed]))


def recommended(confirmed: Sequence[Confirmed], target: float) -> Confirmed:
    """The cheapest that keeps the promise, else the one that comes nearest to it."""
    keeping = [c for c in confirmed if c.row["attainment"] >= target]
    if keeping:
        return min(keeping, key=lambda c: float(c.row["gpu_hours"]))
    return max(confirmed, key=lambda c: (float(c.row["attainment"]), -float(c.row["gpu_hours"])))
