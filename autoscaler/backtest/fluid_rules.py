"""The rules that the fluid model plays, with their knobs as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.backtest.fluid_kernel import PROPORTIONAL, QUANTILE, Knobs
from autoscaler.policy import Policy
from autoscaler.sizing import newsvendor_tau
from runtime.pool import Pool
from runtime.replica import Tier


@dataclass(frozen=True, slots=True)
class Proportional:
    """An HPA-like rule on erlangs per replica, seen ``lag_s`` late."""

    target_erlangs: float
    tolerance: float = 0.1
    lag_s: float = 30.0
    window_s: float = 300.0
    step_in: int = 1_000_000
    step_out: int = 4
    factor_out: float = 2.0

    def knobs(self, tick_s: float) -> Knobs:
        """As the compiled loop takes them."""
        lag, window = round(self.lag_s / tick_s), int(self.window_s / tick_s + 1e-9)
        steps = self.step_in, self.step_out, float(self.factor_out)
        return Knobs(PROPORTIONAL, self.target_erlangs, self.tolerance, lag, 0.0, 0.0, 1.0, 1.0, window, 0, *steps, 1.0)


@dataclass(frozen=True, slots=True)
class Quantile:
    """Our rule: ``tau`` of the demand within a launch times ``headroom``, the reactive floor, the guardrails."""

    tau: float
    headroom: float = 1.0
    out_above: float = 1.0
    in_below: float = 0.85
    window_s: float = 300.0
    cooldown_s: float = 60.0
    step_in: int = 2
    step_out: int = 8
    factor_out: float = 2.0
    load_factor: float = 1.0

    @classmethod
    def of(cls, policy: Policy, pool: Pool) -> Quantile:
        """The rule that a policy comes to on a pool of dedicated GPUs."""
        holding = pool.holding_usd_per_hour(Tier.ACTIVE)
        return cls(
            tau=newsvendor_tau(policy.risk.shortage_usd_per_replica_hour, holding),
            headroom=policy.risk.headroom,
            out_above=policy.reactive.scale_out_above,
            in_below=policy.reactive.scale_in_below,
            window_s=policy.scale_in.window_s,
            cooldown_s=policy.scale_in.cooldown_s,
            step_in=policy.scale_in.max_step,
            step_out=policy.scale_out.max_step,
            factor_out=policy.scale_out.max_factor,
            load_factor=policy.reactive.load_factor,
        )

    def knobs(self, tick_s: float) -> Knobs:
        """As the compiled loop takes them."""
        ratios = float(self.tau), float(self.headroom), float(self.out_above), float(self.in_below)
        window = int(self.window_s / tick_s + 1e-9)
        cooldown = math.ceil(self.cooldown_s / tick_s - 1e-9)
        steps = self.step_in, self.step_out, float(self.factor_out)
        return Knobs(QUANTILE, 0.0, 0.0, 0, *ratios, window, cooldown, *steps, float(self.load_factor))
