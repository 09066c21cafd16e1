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
from runtime.pool import Pool
from runtime.replica import Tier
from runtime.traces import Trace

T = TypeVar("T")

WINDOWS_S = (60.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0)
COOLDOWNS_S = (0.0, 15.0, 30.0, 60.0, 120.0)
STEPS_IN = (1, 2, 4, 8)
HEADROOM = (0.6, 1.6)
ODDS = (1.0, 100.0)
"""Shortage over holding cost: quantiles from 0.5 to 0.99, which is what forecasts offer."""

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


def anywhere(policy: Policy, pool: Pool, rng: np.random.Generator) -> Policy:
    """A policy with every knob drawn over its whole range; what is no knob stays."""
    out = rng.uniform(0.7, 1.3)
    return _turned(
        policy,
        pool,
        odds=math.exp(rng.uniform(*np.log(ODDS))),
        headroom=rng.uniform(*HEADROOM),
        window_s=float(rng.choice(WINDOWS_S)),
        cooldown_s=float(rng.choice(COOLDOWNS_S)),
        step_in=int(rng.choice(STEPS_IN)),
        out_above=out,
        in_below=out * rng.uniform(0.5, 1.0),
    )


def near(policy: Policy, pool: Pool, rng: np.random.Generator) -> Policy:
    """A policy with every knob a little off, or, one time in four for the coarse ones, drawn again."""
    fresh, old = anywhere(policy, pool, rng), policy
    pick = rng.random(3) < 0.25
    return _turned(
        policy,
        pool,
        odds=old.risk.shortage_usd_per_replica_hour / _holding(pool) * math.exp(rng.normal(0, 0.4)),
        headroom=old.risk.headroom + rng.normal(0, 0.05),
        window_s=(fresh if pick[0] else old).scale_in.window_s,
        cooldown_s=(fresh if pick[1] else old).scale_in.cooldown_s,
        step_in=(fresh if pick[2] else old).scale_in.max_step,
        out_above=old.reactive.scale_out_above + rng.normal(0, 0.05),
        in_below=old.reactive.scale_in_below + rng.normal(0, 0.05),
    )


def _turned(
    policy: Policy,
    pool: Pool,
    *,
    odds: float,
    headroom: float,
    window_s: float,
    cooldown_s: float,
    step_in: int,
    out_above: float,
    in_below: float,
) -> Policy:
    """The policy with these knobs, within their ranges and rounded to what a person would write."""
    odds, headroom = min(max(odds, ODDS[0]), ODDS[1]), min(max(headroom, HEADROOM[0]), HEADROOM[1])
    out = round(min(max(out_above, 0.5), 2.0), 2)
    shortage_usd = float(f"{odds * _holding(pool):.3g}")
    risk = {"shortage_usd_per_replica_hour": shortage_usd, "headroom": round(headroom, 2)}
    reactive = {"scale_out_above": out, "scale_in_below": min(out, round(max(in_below, 0.2), 2))}
    scale_in = {"window_s": window_s, "cooldown_s": cooldown_s, "max_step": step_in}
    return policy.model_copy(
        update={
            "risk": policy.risk.model_copy(update=risk),
            "reactive": policy.reactive.model_copy(update=reactive),
            "scale_in": policy.scale_in.model_copy(update=scale_in),
        }
    )


def _holding(pool: Pool) -> float:
    """Dollars an hour for a replica; one where they cost nothing, so that only the ratio counts."""
    return pool.holding_usd_per_hour(Tier.ACTIVE) or 1.0


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
