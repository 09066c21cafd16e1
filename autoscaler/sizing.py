"""How many replicas each tier should hold for the demand that may come: DESIGN 4, "Sizing".

The rule is one line per tier: hold enough for a quantile of the demand that may occur before the next slower
tier can deliver.

    active          ≥ demand within the lead time of the spare tier
    active + spare  ≥ demand within the lead time of a launch

The lead time is the measured P90, else the pool's own, plus one review period, since a decision can only be
taken at the next tick. The quantile is the newsvendor's, shortage / (shortage + holding), cut to what the
forecast offers.

**When spares are kept.** On a dedicated GPU a standby costs what an active replica costs and does less, so
all of ``active + spare`` is then kept active. Spares are sized only where the pool's holding share of the
spare tier is below 1 (somebody else uses the GPU meanwhile), or where the policy asks for some
(``standby.min``).
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.capacity import RhoMax, replicas_for
from autoscaler.decision import ControlState
from autoscaler.policy import Policy
from forecasting.forecast import Forecast
from runtime.replica import Tier

UNKNOWN_LAUNCH_S = 300.0
"""Lead time of a launch in a pool that names none and has measured none."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A quantile of the demand within a lead time, and the replicas it takes."""

    erlangs: float
    tau: float
    lead_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the forecast asks for: ``fast`` until a spare serves (None without spares), ``slow`` until a
    launch does.
    """

    active: int
    spare: int
    spare_tier: Tier
    fast: Demand | None
    slow: Demand


def lead_s(tier: Tier, state: ControlState) -> float | None:
    """Seconds from that tier to serving, P90: measured, else as the pool says, else None (not available)."""
    known = state.lead_times.get(tier) or state.pool.lead_times.get(tier)
    return None if known is None else known.p90_s


def launch_lead_s(state: ControlState) -> float:
    """Seconds that a new replica takes: from a warm node where one is held or nothing colder exists, else
    from cold. A pool that knows neither sleeps wherever it may run (a rack), and starts by waking.
    """
    warm, cold = lead_s(Tier.WARM_NODE, state), lead_s(Tier.COLD, state)
    if warm is not None and (state.counts.warm_node > 0 or cold is None):
        return warm
    if cold is not None:
        return cold
    waking = lead_s(Tier.ASLEEP, state)
    return UNKNOWN_LAUNCH_S if waking is None else waking


def spare_limits(state: ControlState, policy: Policy) -> tuple[int, int]:
    """Fewest and most spare replicas worth holding; (0, 0) where the pool does not have the tier."""
    tier = Tier(policy.standby.tier)
    if lead_s(tier, state) is None:
        return 0, 0
    shared = state.pool.holding_share.get(tier, 1.0) < 1.0
    return policy.standby.min, policy.standby.max if shared else policy.standby.min


def size(forecast: Forecast, state: ControlState, policy: Policy, rho: RhoMax, review_s: float) -> Sizing:
    """Tiers for the forecast, before any guardrail."""
    tier = Tier(policy.standby.tier)
    fewest, most = spare_limits(state, policy)
    slow_tier = tier if most > 0 else Tier.ACTIVE
    slow = _demand(forecast, state, policy, rho, launch_lead_s(state) + review_s, slow_tier)
    ready_s = lead_s(tier, state)
    if most == 0 or ready_s is None:
        return Sizing(slow.replicas, 0, tier, None, slow)
    fast = _demand(forecast, state, policy, rho, ready_s + review_s, Tier.ACTIVE)
    active = max(fast.replicas, slow.replicas - most)
    return Sizing(active, max(fewest, slow.replicas - active), tier, fast, slow)


def newsvendor_tau(shortage_usd: float, holding_usd: float) -> float:
    """The quantile at which one more replica costs as much held as missed."""
    return shortage_usd / (shortage_usd + holding_usd)


def _demand(forecast: Forecast, state: ControlState, policy: Policy, rho: RhoMax, lead: float, held: Tier) -> Demand:
    holding = state.pool.holding_usd_per_hour(held)
    tau = newsvendor_tau(policy.risk.shortage_usd_per_replica_hour, holding)
    tau = min(max(tau, forecast.taus[0]), forecast.taus[-1])
    erlangs = forecast.quantile(lead, tau) * policy.risk.headroom
    return Demand(erlangs, tau, lead, replicas_for(erlangs, rho))
