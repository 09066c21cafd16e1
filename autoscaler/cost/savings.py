"""What was saved: the metered cost against what other ways to run the fleet would have cost on the same traffic.

Counterfactuals are played on the recorded load by the fluid model (``backtest.fluid_kernel``, docs/fluid.md):

- ``hpa``: a proportional rule, at the highest of ``TARGETS`` (per ρ_max) that still keeps the promise by the model, so
  it is a tuned one and no straw man; where none does, at the lowest;
- ``static-peak``: replicas enough for the highest minute of the span, all the time.

Uncertainty has two sources: days differ, so they are drawn anew (bootstrap over days), and the model errs, by
``MODEL_ERROR`` of the counterfactual's cost. The interval holds with 90 %. Days with gaps in the load, or that were not
metered whole, are left out of both sides, and said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.fluid_kernel import Terms, Views, play
from autoscaler.backtest.fluid_rules import Proportional
from autoscaler.backtest.fluid_terms import terms
from autoscaler.capacity import RhoMax, replicas_for, rho_max
from autoscaler.lateness import LATE
from autoscaler.policy import Policy
from runtime.pool import Pool

Floats = npt.NDArray[np.float64]

MINUTE_S, DAY_S = 60.0, 86400
DAY_MINUTES = 1440
LEAST_KNOWN = 0.99
"""A day is compared where this share of its minutes is known."""

TARGETS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4)
MODEL_ERROR = 0.05
"""Standard deviation of the fluid model's cost, as a share; docs/fluid.md, against the request-level simulator."""
DRAWS = 2000
INTERVAL = (0.05, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One whole day of a service: load per minute, (1440,) erlangs, and what it was charged, USD."""

    start_s: int
    erlangs: Floats
    usd: float


@dataclass(frozen=True, slots=True)
class Saving:
    """Against one counterfactual over ``days``: positive where it would have cost more. ``low_usd`` to ``high_usd``
    holds with 90 %. ``attainment`` is the counterfactual's by the model; ``setting`` says what was played.
    """

    against: str
    setting: str
    days: int
    actual_usd: float
    counterfactual_usd: float
    saved_usd: float
    low_usd: float
    high_usd: float
    saved_share: float | None
    attainment: float


def days_of(times: Floats, erlangs: Floats, usd_by_day: Mapping[int, float]) -> list[Day]:
    """Whole days (UTC) whose load and cost are known. ``times`` (n,) are the ends of minutes; short gaps are filled
    by the value before them, days with more than 1 % of gaps are left out.
    """
    found = []
    for start_s, usd in sorted(usd_by_day.items()):
        minutes = np.full(DAY_MINUTES, np.nan)
        inside = (times > start_s) & (times <= start_s + DAY_S) & np.isfinite(erlangs)
        cells = np.ceil((times[inside] - start_s) / MINUTE_S - 1e-9).astype(np.int64) - 1
        minutes[cells] = erlangs[inside]
        known = np.isfinite(minutes)
        if known.mean() >= LEAST_KNOWN:
            last = np.maximum.accumulate(np.where(known, np.arange(DAY_MINUTES), 0))
            found.append(Day(start_s, np.where(np.isfinite(minutes[last]), minutes[last], 0.0), usd))
    return found


def savings(days: Sequence[Day], pool: Pool, policy: Policy, lengths: tuple[float, float], seed: int) -> list[Saving]:
    """The savings of one service against each counterfactual; none without a whole day.

    ``lengths`` are mean uncached input and output tokens of a request.
    """
    if not days:
        return []
    rho = rho_max(pool, policy.slo, *lengths, policy.routing)
    # As many as the highest minute takes, so that nobody else's replicas are thought to carry less than they may.
    rho = rho.among(replicas_for(max(float(day.erlangs.max()) for day in days), rho))
    played = [
        _hpa(days, pool, policy, rho),
        _static(days, pool, rho),
    ]
    return [_saving(days, *one, seed) for one in played]


def added(parts: Sequence[Sequence[Saving]]) -> list[Saving]:
    """Savings of several services together. Their days are the same days, so their intervals are added, not rooted."""
    found: list[Saving] = []
    for against in dict.fromkeys(one.against for part in parts for one in part):
        chosen = [one for part in parts for one in part if one.against == against]
        actual, other = (math.fsum(getattr(one, n) for one in chosen) for n in ("actual_usd", "counterfactual_usd"))
        low, high = (math.fsum(getattr(one, n) for one in chosen) for n in ("low_usd", "high_usd"))
        attained = math.fsum(one.attainment * one.counterfactual_usd for one in chosen) / other if other else 1.0
        days = max(one.days for one in chosen)
        share = (other - actual) / other if other else None
        found.append(Saving(against, "each its own", days, actual, other, other - actual, low, high, share, attained))
    return found


def _saving(days: Sequence[Day], against: str, setting: str, usd: Floats, attained: float, seed: int) -> Saving:
    actual = np.array([day.usd for day in days])
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(days), (DRAWS, len(days)))
    errors = 1 + MODEL_ERROR * random.standard_normal(DRAWS)
    low, high = np.quantile(usd[drawn].sum(axis=1) * errors - actual[drawn].sum(axis=1), INTERVAL)
    paid, other = float(actual.sum()), float(usd.sum())
    share = (other - paid) / other if other > 0 else None
    return Saving(against, setting, len(days), paid, other, other - paid, float(low), float(high), share, attained)


def _hpa(days: Sequence[Day], pool: Pool, policy: Policy, rho: RhoMax) -> tuple[str, str, Floats, float]:
    """USD by day of the cheapest proportional rule that keeps the promise."""
    best: tuple[float, Floats, float] | None = None
    for target in TARGETS:
        replica_s, attained = _played(days, pool, policy, rho, Proportional(target * rho.value))
        best = target, replica_s * pool.replica_usd_per_hour / 3600, attained
        if attained >= policy.slo.attainment:
            break
    assert best is not None, "there are targets"
    return "hpa", f"proportional at {best[0]:.0%} of what a replica carries", best[1], best[2]


def _played(days: Sequence[Day], pool: Pool, policy: Policy, rho: RhoMax, rule: Proportional) -> tuple[Floats, float]:
    """Replica-seconds by day, and the share of the work that was in time."""
    billed, attained, whole = np.zeros(len(days)), 0.0, 0.0
    for index, day in enumerate(days):
        first = max(policy.replicas.min, math.ceil(float(day.erlangs[0]) / rule.target_erlangs - 1e-9), 1)
        terms, knobs = _terms(pool, policy, first), rule.knobs(MINUTE_S)
        totals = play(day.erlangs, day.erlangs, _views(day.erlangs, rho), terms, knobs)
        billed[index], attained, whole = totals.replica_s, attained + totals.attained, whole + float(day.erlangs.sum())
    return billed, attained / whole if whole > 0 else 1.0


def _views(erlangs: Floats, rho: RhoMax) -> Views:
    seen = np.concatenate([erlangs[:1], erlangs[:-1]])
    flat = np.full(len(seen), rho.value), np.full(len(seen), rho.sequences_per_erlang or 0.0)
    return Views(seen, *flat, np.full((len(seen), 1), np.nan), np.array((0.5,)), np.array(LATE), np.array((0.0, 1.0)))


def _terms(pool: Pool, policy: Policy, first: int) -> Terms:
    least, most = max(1, policy.replicas.min), policy.replicas.max
    return terms(pool, policy, MINUTE_S, min(most, first), least)


def _static(days: Sequence[Day], pool: Pool, rho: RhoMax) -> tuple[str, str, Floats, float]:
    """USD by day of replicas enough for the highest minute."""
    count = max(1, replicas_for(max(float(day.erlangs.max()) for day in days), rho))
    usd = np.full(len(days), 24 * count * pool.replica_usd_per_hour)
    return "static-peak", f"{count} replicas all the time", usd, 1.0
