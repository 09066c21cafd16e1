"""What else could serve a recorded past: other pools ranked, and the front of cost against attainment on them. Pure.

Two questions in one answer. Which GPU types and splits carry this traffic within the SLO, and at what price
(``autoscaler.planning``); and, on a pool, what our knobs could make of it and where plain rules stand, by the fluid
screen (``autoscaler.tuning.screen``): no spare tiers, no failures, so it compares and does not promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from autoscaler.backtest.fluid_rules import Proportional
from autoscaler.backtest.tune import front
from autoscaler.impact.recorded import MINUTE_S, Floats, Recorded
from autoscaler.planning import traffic
from autoscaler.planning.carry import Asked, Carried
from autoscaler.planning.growth import stated
from autoscaler.planning.plan import Plan, Scope, plan
from autoscaler.planning.prices import cheapest, shipped
from autoscaler.policy import Policy
from autoscaler.tuning.knobs import anywhere, near
from autoscaler.tuning.past import Past
from autoscaler.tuning.recalled import recalled
from autoscaler.tuning.screen import Outcome, Screen
from forecasting.series import Series
from runtime.catalog import hardware
from runtime.pool import Pool

SETTINGS = 400
"""Settings of our knobs that are screened on each pool."""
AIMS = (0.5, 0.7, 0.9)
"""What the proportional rules aim at: shares of what a replica carries."""
STATICS = 6
TICK_S = 15.0
POOLS_SHARE = 0.7
"""Share of the time that ranking pools takes."""

Kind = Literal["ours", "policy", "proportional", "static"]


@dataclass(frozen=True, slots=True)
class Task:
    """One question. ``policy`` is the what-if policy; without a ``model`` no other pools are looked at."""

    pool: Pool
    policy: Policy
    recorded: Recorded
    before: tuple[Floats, Floats]
    model: str | None = None
    gpus: tuple[str, ...] = ()
    max_gpus: int = 8
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One policy on one pool: US dollars an hour, the share of requests in time, replicas held on average."""

    pool: str
    kind: Kind
    name: str
    usd_per_hour: float
    attainment: float
    mean_replicas: float
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """What came of it: ``plan`` where a model was named, points on the pool as it is and on the best other one."""

    recorded: Recorded
    plan: Plan | None
    points: tuple[Point, ...]


def what_if(task: Task, progress: Callable[[float], None] = lambda share: None) -> WhatIf:
    """Rank pools, then screen. Raises ValueError for a past without load, CatalogError for names nobody knows."""
    if not task.recorded.known.any():
        raise ValueError("no load was recorded in this time; choose a longer or another one")
    begun = POOLS_SHARE if task.model else 0.0
    found = _planned(task, lambda share: progress(begun * share)) if task.model else None
    pools = [task.pool]
    if found is not None and found.best is not None:
        pools.append(_as_run(found.best, task.pool))
    points: list[Point] = []
    for at, pool in enumerate(pools):
        points += screened(task, pool)
        progress(begun + (1 - begun) * (at + 1) / len(pools))
    return WhatIf(task.recorded, found, tuple(points))


def _planned(task: Task, progress: Callable[[float], None]) -> Plan:
    scope = Scope(task.gpus or tuple(hardware.GPUS), (), task.max_gpus)
    policy = task.policy
    asked = Asked(policy.slo, policy.risk.headroom, 0.0, max(1, policy.replicas.min), policy.routing)
    offers = cheapest(shipped())
    assert task.model is not None, "asked for"
    return plan(task.model, traffic.of_series(series(task.recorded)), asked, scope, offers, stated(0.0, 0.0), progress)


def _as_run(best: Carried, present: Pool) -> Pool:
    """The best other pool, started as fast as the present one: what it would take is not known."""
    pool = best.candidate.pool
    price = best.candidate.offer.on_demand_usd
    return replace(
        pool, service=present.service, lead_times=present.lead_times, price_usd_per_gpu_hour=price, holding_share={}
    )


def series(past: Recorded) -> Series:
    """The recorded past as counts of minutes; minutes without a record stay gaps."""
    minute = (past.times // MINUTE_S).astype(np.int64)
    size = int(minute[-1] - minute[0]) + 1
    at = minute - minute[0]

    def counted(rates: Floats) -> Floats:
        known = np.isfinite(rates)
        ticks = np.bincount(at[known], minlength=size)
        sums = np.bincount(at[known], rates[known], minlength=size)
        told: Floats = np.where(ticks > 0, sums / np.maximum(ticks, 1) * MINUTE_S, np.nan)
        return told

    rates = past.arrivals_per_s
    tokens = (np.where(rates > 0, rates * lengths, 0.0) for lengths in (past.input_tokens, past.output_tokens))
    inputs, outputs = (np.where(np.isfinite(rates), values, np.nan) for values in tokens)
    return Series("the recorded past", int(minute[0]), counted(rates), counted(inputs), counted(outputs))


def screened(task: Task, pool: Pool) -> list[Point]:
    """The policy, the front of our knobs, proportional rules and static fleets on one pool."""
    past, policy = task.recorded, task.policy
    known = past.known & (past.arrivals_per_s > 0)
    weights = past.arrivals_per_s[known]
    lengths = tuple(float(np.average(x[known], weights=weights)) for x in (past.input_tokens, past.output_tokens))
    factor = pool.step.work_ms(*lengths) / task.pool.step.work_ms(*lengths)
    times, erlangs = minutes(past, factor)
    moments = recalled(pool, policy, times, erlangs, (lengths[0], lengths[1]), float(times[-1] - times[0]) + 1, TICK_S)
    told = Past.of(moments)
    hours = told.hours

    def point(kind: Kind, name: str, came: Outcome, owner: Policy | None = None) -> Point:
        asked = float(told.requests[1:].sum())
        share = 1 - came.late / asked if asked > 0 else 1.0
        mean = came.replica_s / 3600 / hours
        return Point(pool.name, kind, name, mean * pool.replica_usd_per_hour, min(1.0, max(0.0, share)), mean, owner)

    screen = Screen(told, policy, pool)
    tried = [point("ours", "our knobs", screen.replayed(one), one) for one in settings(policy, pool, task.seed)]
    rho = float(told.rho.mean())
    rules = [point("proportional", f"proportional, {aim:.0%}", screen.played(Proportional(aim * rho))) for aim in AIMS]
    fixed = [
        point("static", f"static, {count}", Screen(told, held(policy, count), pool).replayed(held(policy, count)))
        for count in statics(told, policy)
    ]
    best = front(tried, lambda one: one.usd_per_hour, lambda one: one.attainment)
    return [point("policy", "this policy", screen.replayed(policy), policy), *best, *rules, *fixed]


def settings(policy: Policy, pool: Pool, seed: int) -> list[Policy]:
    """Half of them anywhere, half near the policy."""
    rng = np.random.default_rng(seed)
    return [(anywhere if at % 2 else near)(policy, pool, rng) for at in range(SETTINGS)]


def held(policy: Policy, count: int) -> Policy:
    """The policy with exactly so many replicas."""
    bounds = policy.replicas.model_copy(update={"min": count, "max": count})
    return policy.model_copy(update={"replicas": bounds})


def statics(told: Past, policy: Policy) -> Sequence[int]:
    """A few sizes of a static fleet, from what the mean load asks for to what the peak does."""
    need = told.erlangs / told.rho
    low, high = max(1, int(np.ceil(need.mean()))), max(1, int(np.ceil(need.max())))
    return sorted({round(n) for n in np.linspace(low, high, STATICS).tolist()})


def minutes(past: Recorded, factor: float) -> tuple[Floats, Floats]:
    """Ends of minutes and the mean load within them, (n,), in erlangs of a pool whose work is ``factor`` times that."""
    ends = np.ceil(past.times / MINUTE_S) * MINUTE_S
    times, at = np.unique(ends, return_inverse=True)
    known = past.known
    count = np.bincount(at[known], minlength=len(times))
    sums = np.bincount(at[known], past.erlangs[known], minlength=len(times))
    load: Floats = np.where(count > 0, factor * sums / np.maximum(count, 1), np.nan)
    return times, load
