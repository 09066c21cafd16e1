"""The fluid fast path: what a knob setting would cost and attain, in milliseconds a day instead of a minute.

Requests are poured together into offered load per ``BIN_S``. Replicas take the pool's mean lead time to start and are
billed from the start; a scale-in gives up starts first, youngest first, and drains the rest at once. Work beyond what
the ready replicas can do at all (``FULL`` of each) is carried over to the next bin. The share of a bin's requests that
is late grows from none, where its work (with what was carried over) is ρ_max of the ready replicas, to all of them, at
the multiples ``LATE``. Prompts whose own prefill is too long for the target are late on any fleet.

It is a screen and no judge: no queue inside a replica, no router, no drain, spare tiers not at all. ``docs/fluid.md``
says how far it is from the request-level simulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoscaler.backtest.case import Case
from autoscaler.backtest.fluid_kernel import Views, play
from autoscaler.backtest.fluid_load import requests, work_done
from autoscaler.backtest.fluid_outlook import Outlook
from autoscaler.backtest.fluid_rules import Proportional, Quantile
from autoscaler.backtest.fluid_terms import terms
from autoscaler.decision import ControlState, TierCounts
from autoscaler.lateness import LATE
from autoscaler.sizing import launch_lead_s

__all__ = ["BIN_S", "Estimate", "Fluid", "Proportional", "Quantile"]

BIN_S = 3.0
"""What is over sooner is absorbed by the batch."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a setting comes to: share of requests in time, billed replica-seconds, decisions that moved the fleet."""

    attainment: float
    replica_s: float
    scale_ups: int
    scale_downs: int


class Fluid:
    """One case poured out: make it once, then ask it for as many settings as you like."""

    def __init__(self, case: Case, outlook: Outlook, late: tuple[float, float] = LATE, bin_s: float = BIN_S) -> None:
        """``outlook`` is that of the case; raises ValueError for a bin that does not divide its tick."""
        per_tick = round(outlook.tick_s / bin_s)
        if per_tick < 1 or abs(per_tick * bin_s - outlook.tick_s) > 1e-9:
            raise ValueError(f"bins of {bin_s:g} s do not divide ticks of {outlook.tick_s:g} s; give a divisor")
        # A step at half of what may be used: what a request meets on the way, neither idle nor at the limit.
        step_s = case.pool.step.a_ms / 1000 / (1 - case.rho().value / 2)
        self._tick_s = outlook.tick_s
        self._work = work_done(case, bin_s, step_s)
        arrived, self._able = requests(case, bin_s, step_s)
        self._arrived = float(arrived.sum())
        first, least = case.first_replicas(), case.policy.replicas.min
        self._terms = terms(case.pool, case.policy, bin_s, first, least, per_tick, case.rho().value)
        state = ControlState(case.pool.service, case.pool, TierCounts(), case.start_s)
        demand = np.ascontiguousarray(outlook.at_lead(launch_lead_s(state) + outlook.tick_s))
        self._views = Views(
            outlook.seen_erlangs,
            outlook.rho,
            outlook.sequences_per_erlang,
            demand,
            np.array(outlook.taus),
            np.array(late),
            np.array((0.0, 1.0)),
        )

    def estimate(self, rule: Proportional | Quantile) -> Estimate:
        """Play one setting; a few tenths of a millisecond per day of load, and a compilation the first time ever."""
        totals = play(self._work, self._able, self._views, self._terms, rule.knobs(self._tick_s))
        return Estimate(float(totals.attained / self._arrived), totals.replica_s, totals.ups, totals.downs)
