"""A service on several pools: its need, in replicas of the first pool, spread over all of them at least cost.

Everything before this (needs, guardrails, the scale-in window) counts in replicas of the first pool: ``as_one`` sees
those of the other pools as what they are worth, ρ_max·w₁/(ρ_max₁·w) with w the work of the present mean request.
``spread`` then finds the counts per pool, in two steps:

- the *goal*: the cheapest counts that hold both tier lines, with spot capacity only as far as its loss can be borne;
- the *bridge* to it: nothing that serves is let go before what replaces it serves, and where the goal's launches take
  longer than the first pool's, others stand in for so long. Both are extra counts, gone once the goal is reached, and
  the budget is the goal's: a change of pools costs both for as long as a launch takes.

A pool from which nothing has come for too long is asked for one replica more than it has, and the rest comes from
others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaler import capacity
from autoscaler.allocation import Demand, Line, Market, Option, allocate
from autoscaler.allocation.needs import needs_of
from autoscaler.allocation.shortage import missing
from autoscaler.allocation.terms import slices
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.learning.law import corrected
from autoscaler.policy import Policy
from autoscaler.safety.shortage import asking, overdue_s
from autoscaler.sizing import UNKNOWN_LAUNCH_S
from forecasting.forecast import Forecast
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Tier

USUAL_TOKENS = (1200.0, 250.0)
"""Lengths of a request by which pools are compared until some were seen."""

SPOT_NOTICE_S = 30.0
"""Spares that serve within this stand in for spot capacity that goes: the shortest notice that providers give."""

STEADY = 0.05
"""A pool's worth follows the mix of requests in steps of this share: rounding launches no replica."""

PATIENCE_LEADS = 1.0
"""A pool that gave nothing for so many P90 launches is left for others: sooner than where there are none."""

PAYS_BACK_S = 3600.0
"""A launch must pay for itself within this, else what runs is kept."""

Counts = Mapping[str, Mapping[Tier, int]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be spread: replicas of the first pool, and how many of them must be left without spot."""

    active: int
    spare: int
    base: float = 0.0


def valued(state: ControlState, policy: Policy, rho: capacity.RhoMax) -> ControlState:
    """The state with what a replica of each further pool is worth now."""
    if not state.more:
        return state
    means = state.mean_input_tokens, state.mean_output_tokens
    lengths = (means[0] or USUAL_TOKENS[0], means[1] or USUAL_TOKENS[1])
    work_ms = state.pool.step.work_ms(*lengths)
    serving = state.counts.active + sum(branch.counts.active for branch in state.more)
    own = rho.among(serving).value

    def worth(branch: Branch) -> float:
        pool = corrected(branch.pool, branch.learned)
        own_ms = pool.step.work_ms(*lengths)
        carries = capacity.rho_max(pool, policy.slo, *means, policy.routing).among(serving).value
        new = carries / own * work_ms / own_ms if own_ms > 0 else 1.0
        return branch.worth if abs(new - branch.worth) <= STEADY * branch.worth else new

    return replace(state, more=tuple(replace(branch, worth=worth(branch)) for branch in state.more))


def as_one(state: ControlState) -> ControlState:
    """The state with all pools' replicas counted as what they are worth, in whole replicas of the first pool.

    Of those on their way no more count than are missing: what replaces others is not capacity beside them.
    """
    if not state.more:
        return state
    names = TierCounts.__dataclass_fields__
    total = {
        name: round(getattr(state.counts, name) + sum(getattr(b.counts, name) * b.worth for b in state.more))
        for name in names
    }
    if state.desired is not None:
        missing_now = max(0, state.desired.active - total["active"])
        total["launching"] = min(total["launching"], missing_now)
        total["waking"] = min(total["waking"], missing_now - total["launching"])
    return replace(state, counts=TierCounts(**total))


def branches(state: ControlState) -> tuple[Branch, ...]:
    """All pools alike, the first one first."""
    return (Branch(state.pool, state.counts, state.lead_times, 1.0, state.first_ask), *state.more)


def cheapest_usd_per_hour(state: ControlState) -> float:
    """What one replica of the first pool costs where its worth is had most cheaply, USD per hour."""
    return min(branch.pool.replica_usd_per_hour / branch.worth for branch in branches(state))


def base_of(forecast: Forecast | None, policy: Policy, active: int, lead_s: float) -> float:
    """Replicas that must be left when spot goes; half of them all while there is no forecast.

    As a share of the active ones, so that it is as steady as they are: the quantile that must be left over the one that
    is sized for.
    """
    if policy.risk.spot_base <= 0:
        return 0.0
    if forecast is None:
        return active / 2
    sized = forecast.quantile(lead_s, forecast.taus[-1])
    return active * forecast.quantile(lead_s, policy.risk.spot_base) / sized if sized > 0 else float(active)


def demand_of(state: ControlState, policy: Policy, wanted: Wanted, now_s: float) -> Demand:
    """One service's terms for an allocation, in replicas of its first pool."""
    options = tuple(_option(branch, state, policy, now_s) for branch in branches(state))
    spare_s = options[0].lead_s.get(Tier(policy.standby.tier), 0.0)
    usd = policy.risk.shortage_usd_per_replica_hour
    lines = [Line("active", wanted.active, 0.0, usd_per_erlang_hour=usd)]
    if wanted.spare:
        lines.append(Line("spare", wanted.active + wanted.spare, spare_s, usd_per_erlang_hour=usd))
    return Demand(
        service=state.service,
        options=options,
        lines=tuple(lines),
        most_spare=10_000 if wanted.spare else 0,
        budget_usd_per_hour=_budget_usd(state, policy),
        priority=policy.priority,
        base_erlangs=wanted.base,
    )


def spread(state: ControlState, policy: Policy, wanted: Wanted, now_s: float) -> tuple[PoolTarget, ...]:
    """Targets of all pools, in their order."""
    demand = demand_of(state, policy, wanted, now_s)
    notice_s = {option.spot: SPOT_NOTICE_S for option in demand.options if option.spot}
    goal = allocate([demand], Market(notice_s=notice_s)).shares[0].counts
    extra = _bridge(demand, goal, wanted)
    return tuple(
        _target(branch, goal[branch.pool.name], extra.get(branch.pool.name, 0) + _probe(branch, goal, now_s), state)
        for branch in branches(state)
    )


def asked(
    after: ControlState, before: ControlState, targets: Sequence[PoolTarget], acts: bool, now_s: float
) -> ControlState:
    """The state after a decision with the targets of all pools, and what was asked of each and has not come.

    ``before`` counts each pool's replicas by themselves.
    """
    if not before.more:
        return after
    asks = [
        asking(branch.ask, target.active, branch.counts.active, now_s) if acts else None
        for branch, target in zip(branches(before), targets, strict=True)
    ]
    more = tuple(replace(branch, ask=ask) for branch, ask in zip(before.more, asks[1:], strict=True))
    return replace(after, first_ask=asks[0], more=more, targets=tuple(targets) if acts else ())


def _bridge(demand: Demand, goal: Counts, wanted: Wanted) -> Mapping[str, int]:
    """Active replicas beyond the goal, per pool, until the goal is reached."""
    serving = sum(option.erlangs * option.now[Tier.ACTIVE] for option in demand.options)
    reached = sum(option.erlangs * goal[option.pool].get(Tier.ACTIVE, 0) for option in demand.options)
    needed = min(float(wanted.active), reached)
    lines = (
        Line("serving", min(needed, serving), 0.0, deliver_s=0.0),
        Line("soon", needed, 0.0, deliver_s=demand.options[0].launch_s),
    )
    options = tuple(_only_active(option) for option in demand.options)
    there = Demand(demand.service, options, lines)
    short = {need.name: missing(need, there, goal) for need in needs_of(there, Market())}
    if not any(amount > 1e-9 for amount in short.values()):
        return {}
    left = tuple(_beyond(option, goal[option.pool]) for option in options)
    still = tuple(replace(line, erlangs=short.get(line.name, 0.0)) for line in lines)
    added = allocate([replace(there, options=left, lines=still)], Market()).shares[0]
    return {pool: held.get(Tier.ACTIVE, 0) for pool, held in added.counts.items()}


def _only_active(option: Option) -> Option:
    return replace(option, usd_per_hour={Tier.ACTIVE: option.usd_per_hour[Tier.ACTIVE]})


def _beyond(option: Option, goal: Mapping[Tier, int]) -> Option:
    """The option with what the goal leaves of it."""
    held = sum(goal.values())
    active = max(0, option.now[Tier.ACTIVE] - goal.get(Tier.ACTIVE, 0))
    coming = max(0, sum(option.now.values()) - held - active)
    most = None if option.most is None else max(0, option.most - held)
    return replace(option, now={Tier.ACTIVE: active, Tier.COLD: coming}, most=most)


def _option(branch: Branch, state: ControlState, policy: Policy, now_s: float) -> Option:
    pool, counts = branch.pool, branch.counts
    launch_s = _launch_s(branch)
    tiers = [Tier.ACTIVE, *([Tier(policy.standby.tier)] if _spares_pay(branch, policy) else [])]
    lead_s = {tier: known.p90_s for tier, known in _leads(branch).items()}
    on_the_way = counts.launching + counts.waking + counts.preparing
    now = {
        Tier.ACTIVE: counts.active,
        Tier.STANDBY: counts.standby,
        Tier.ASLEEP: counts.asleep,
        Tier.COLD: on_the_way,
    }
    return Option(
        pool=pool.name,
        gpu=pool.gpu,
        gpus=slices(pool.gpus_per_replica),
        erlangs=branch.worth,
        usd_per_hour={tier: pool.holding_usd_per_hour(tier) for tier in tiers},
        lead_s={Tier.COLD: launch_s, **lead_s},
        launch_s=launch_s,
        launch_usd=pool.replica_usd_per_hour * launch_s / PAYS_BACK_S,
        now=now,
        most=_most(branch, state, launch_s, now_s),
        spot=pool.gpu if pool.spot else "",
    )


def _most(branch: Branch, state: ControlState, launch_s: float, now_s: float) -> int | None:
    """What may be had of a pool: by the grant, and by whether anything comes of what is asked."""
    caps = [state.grant.most[branch.pool.name]] if state.grant and branch.pool.name in state.grant.most else []
    if _overdue(branch, launch_s, now_s):
        caps.append(_there(branch))
    return min(caps, default=None)


def _probe(branch: Branch, goal: Counts, now_s: float) -> int:
    """One replica more of a pool that gives nothing, and that all there is of is wanted: it finds out when it does."""
    return int(_overdue(branch, _launch_s(branch), now_s) and sum(goal[branch.pool.name].values()) >= _there(branch))


def _overdue(branch: Branch, launch_s: float, now_s: float) -> bool:
    """Whether what was asked of the pool has not come for too long."""
    return overdue_s(branch.ask, launch_s, now_s, PATIENCE_LEADS) is not None


def _there(branch: Branch) -> int:
    return branch.counts.active + branch.counts.standby + branch.counts.asleep


def _spares_pay(branch: Branch, policy: Policy) -> bool:
    tier = Tier(policy.standby.tier)
    shared = branch.pool.holding_share.get(tier, 1.0) < 1.0
    return tier in _leads(branch) and (shared or policy.standby.min > 0)


def _leads(branch: Branch) -> Mapping[Tier, LeadTime]:
    return {**branch.pool.lead_times, **branch.lead_times}


def _launch_s(branch: Branch) -> float:
    leads = _leads(branch)
    known = leads.get(Tier.COLD) or leads.get(Tier.WARM_NODE) or leads.get(Tier.ASLEEP)
    return UNKNOWN_LAUNCH_S if known is None else known.p90_s


def _budget_usd(state: ControlState, policy: Policy) -> float | None:
    """The budget, though never less than what the fewest replicas cost where they are had most cheaply."""
    if policy.budget_usd_per_hour is None:
        return None
    return max(policy.budget_usd_per_hour, policy.replicas.min * cheapest_usd_per_hour(state))


def _target(branch: Branch, goal: Mapping[Tier, int], extra: int, state: ControlState) -> PoolTarget:
    return PoolTarget(
        service=state.service,
        pool=branch.pool.name,
        active=goal.get(Tier.ACTIVE, 0) + extra,
        standby=goal.get(Tier.STANDBY, 0),
        asleep=goal.get(Tier.ASLEEP, 0),
        warm_node=branch.counts.warm_node,
    )
