"""The fluid model's terms of a policy on a pool, the same whoever plays it: the fast path, tuning, savings."""

from __future__ import annotations

from autoscaler.backtest.fluid_kernel import Terms
from autoscaler.capacity import STAFFING_BETA
from autoscaler.lateness import FULL, launch_mean_s
from autoscaler.policy import Policy
from autoscaler.safety.reactive import DRAIN_S, RATIO_CAP
from runtime.pool import Pool


def terms(
    pool: Pool, policy: Policy, bin_s: float, first: int, least: int, bins_per_tick: int = 1, rho_max: float = 0.0
) -> Terms:
    """Begin with ``first`` replicas and never have fewer than ``least``; ``rho_max`` of 0 is that of each tick."""
    return Terms(
        bin_s=bin_s,
        bins_per_tick=bins_per_tick,
        launch_bins=max(0, round(launch_mean_s(pool) / bin_s)),
        first=first,
        least=least,
        most=policy.replicas.max,
        rho_max=rho_max,
        full_erlangs=FULL,
        tpot_erlangs=max(1e-3, 1 - pool.step.a_ms / (policy.slo.tpot_s * 1000)),
        ttft_s=policy.slo.ttft_s,
        staffing_beta=STAFFING_BETA,
        drain_s=DRAIN_S,
        ratio_cap=RATIO_CAP,
    )
