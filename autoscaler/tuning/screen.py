"""Replaying a setting on the recent past by the fluid model: what it would have held, and how many would be late.

The model's loop is that of ``autoscaler.backtest.fluid_kernel``, one bin per tick, since nothing finer is remembered.
What queues, routers and bursts within a tick add is in the curve of ``lateness``, which is learned from what was
measured, and what that leaves over in the price of a late request (``choice``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoscaler.backtest.fluid_kernel import Terms, Views, play
from autoscaler.backtest.fluid_rules import Proportional, Quantile
from autoscaler.backtest.fluid_terms import terms
from autoscaler.policy import Policy
from autoscaler.tuning.lateness import CONFIGURED, Lateness
from autoscaler.tuning.past import Past
from forecasting.forecaster import TAUS
from runtime.pool import Pool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Replica-seconds held, and requests late, over the past."""

    replica_s: float
    late: float

    def priced(self, replica_s_per_late: float) -> float:
        """Both in replica-seconds."""
        return self.replica_s + replica_s_per_late * self.late


class Screen:
    """A past made ready for replaying; a few tenths of a millisecond per setting and day."""

    def __init__(self, past: Past, policy: Policy, pool: Pool, lateness: Lateness = CONFIGURED) -> None:
        self._past, self._pool, self._lateness = past, pool, lateness
        self._terms = _terms(past, policy, pool)
        arrays = (past.erlangs, past.rho, past.sequences_per_erlang, past.demand)
        seen = [np.ascontiguousarray(values[:-1]) for values in arrays]
        self._views = Views(seen[0], seen[1], seen[2], seen[3], np.array(TAUS), lateness.asked, lateness.late)
        self._work, self._requests = past.erlangs[1:].copy(), past.requests[1:].copy()

    def replayed(self, policy: Policy) -> Outcome:
        """What the policy's knobs would have come to."""
        return self.played(Quantile.of(policy, self._pool))

    def played(self, rule: Quantile | Proportional) -> Outcome:
        """What a rule would have come to, whoever's it is."""
        knobs = rule.knobs(self._past.tick_s)
        totals = play(self._work, self._requests, self._views, self._terms, knobs)
        return Outcome(float(totals.replica_s), float(self._requests.sum() - totals.attained))

    def lived(self) -> Outcome:
        """What the replicas that really were there come to, by the same model; moments without any are left out."""
        past = self._past
        known = past.billed > 0
        late = float(np.sum(past.requests * self._lateness.share(past.asked), where=known))
        return Outcome(float(past.billed.sum() * past.tick_s), late)


def _terms(past: Past, policy: Policy, pool: Pool) -> Terms:
    bounds, rho = policy.replicas, float(past.rho.mean())
    first = int(past.serving[0]) or round(float(past.erlangs[0]) / rho) + 1
    return terms(pool, policy, past.tick_s, min(bounds.max, max(bounds.min, first)), bounds.min)
