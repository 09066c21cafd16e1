"""A case: one service, its traffic and its terms, alike for every contender."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autoscaler.capacity import RhoMax, replicas_for, rho_max
from autoscaler.peers.rule import Terms
from autoscaler.policy import Mode, Policy
from runtime.pool import Pool
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.workload import TraceWorkload
from runtime.simulated.world import World
from runtime.traces import Trace

UNDATED_S = 1_767_571_200.0
"""When a trace without wall times is taken to start: Monday, 5 January 2026, 00:00 UTC."""

FIRST_S = 300.0
"""The fleet that everybody starts with is sized for the load of so many seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One service on one trace. ``past`` is offered load before it, (times, erlangs), for those who learn from it.

    ``more_pools`` are other ways to run it, for who knows how to use several; everybody starts on the first.
    """

    name: str
    pool: Pool
    policy: Policy
    trace: Trace
    start_s: float
    seed: int = 0
    past: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
    more_pools: tuple[Pool, ...] = ()

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Every way to run it, its first pool first."""
        return (self.pool, *self.more_pools)

    def alone(self) -> Case:
        """The case on its first pool alone."""
        return replace(self, more_pools=())

    def world(self) -> World:
        """A fresh fleet, with as many replicas as the first minutes need."""
        slo, bounds = self.policy.slo, self.policy.replicas
        target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
        first, most = self.first_replicas(), bounds.max + 4
        service = SimulatedService(self.pool.service, self.pool, target, first, most, more_pools=self.more_pools)
        workload = TraceWorkload(self.trace, self.pool.service, self.start_s)
        # Unlike replicas want a router that knows how fast each is; among alike ones that is the default's order.
        return World([service], workload, self.seed, router="weighted" if self.more_pools else "least-requests")

    def first_replicas(self) -> int:
        """Replicas for the mean load of the first ``FIRST_S`` seconds, within the bounds."""
        first = self.trace.arrival_s < FIRST_S
        erlangs = float(work_ms(self.pool, self.trace)[first].sum()) / 1000 / FIRST_S
        bounds = self.policy.replicas
        return min(bounds.max, max(bounds.min, 1, replicas_for(erlangs, self.rho())))

    def rho(self) -> RhoMax:
        """What one replica carries of this trace's mean request, in a fleet as large as it may become."""
        means = float(self.trace.input_tokens.mean()), float(self.trace.output_tokens.mean())
        return rho_max(self.pool, self.policy.slo, *means, self.policy.routing).among(self.policy.replicas.max)

    def acting(self) -> Policy:
        """The policy in auto mode, whatever mode it is in."""
        return self.policy.model_copy(update={"mode": Mode.AUTO, "paused_until_s": None})

    def terms(self) -> Terms:
        """What the peers are given."""
        step, pool, slo = self.pool.step, self.pool, self.policy.slo
        return Terms(
            min_replicas=max(1, self.policy.replicas.min),
            max_replicas=self.policy.replicas.max,
            ttft_target_s=slo.ttft_s,
            tpot_target_s=slo.tpot_s,
            a_ms=step.a_ms,
            b_ms_per_seq=step.b_ms_per_seq,
            k_ms_per_1k_kv_tokens=step.k_ms_per_1k_kv_tokens,
            p_ms_per_1k_prefill_tokens=step.p_ms_per_1k_prefill_tokens,
            kv_tokens=pool.kv_tokens,
            block_tokens=pool.block_tokens,
            max_num_seqs=pool.max_num_seqs,
            max_batched_tokens=pool.max_batched_tokens,
        )

    def until(self, seconds: float) -> Case:
        """The case cut to its first ``seconds``."""
        return replace(self, trace=self.trace.take(self.trace.arrival_s < seconds))


def work_ms(pool: Pool, trace: Trace) -> npt.NDArray[np.float64]:
    """Work of every request, ms: shape (n,)."""
    inputs = trace.input_tokens.astype(np.float64)
    outputs = trace.output_tokens.astype(np.float64)
    step = pool.step
    reading = step.k_ms_per_1k_kv_tokens * (inputs + outputs / 2) / 1000
    work: npt.NDArray[np.float64] = step.p_ms_per_1k_prefill_tokens * inputs / 1000 + outputs * (
        step.b_ms_per_seq + reading
    )
    return work


def offered_load(pool: Pool, trace: Trace, bin_s: float) -> npt.NDArray[np.float64]:
    """Offered load per bin, erlangs: shape (bins,)."""
    bins = max(1, math.ceil((float(trace.arrival_s[-1]) + 1e-9) / bin_s))
    cells = np.minimum((trace.arrival_s / bin_s).astype(np.int64), bins - 1)
    return np.bincount(cells, work_ms(pool, trace), bins) / 1000 / bin_s
