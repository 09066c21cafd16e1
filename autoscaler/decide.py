"""The decision: a pure function of what was seen, what is expected, what is remembered and what is wanted.

No clock, network, disk or randomness: the same inputs give the same decision, live, in a backtest and when an
old one is explained. Order: how fresh is the data → offered load and capacity → needs (forecast, load now,
latency now) → guardrails → spare tier → memory for the next tick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoscaler.alternatives import alternatives, demanded
from autoscaler.capacity import RhoMax, learned_rho_max, mean_work_ms, offered_erlangs, work_correction
from autoscaler.cost import hourly, planned
from autoscaler.decision import Constraint, ControlState, Decision, Plan, Quantile, TierCounts
from autoscaler.explain import demand_detail, health_detail, idle_detail, latency_detail, load_detail, sentence
from autoscaler.learning.law import corrected
from autoscaler.policy import Mode, Policy
from autoscaler.safety import guardrails
from autoscaler.safety.guardrails import Facts
from autoscaler.safety.health import leaving
from autoscaler.safety.oscillation import moved
from autoscaler.safety.reactive import latency_need, latency_ratio, load_need
from autoscaler.safety.saturation import saturation
from autoscaler.safety.shortage import asking
from autoscaler.sizing import Sizing, launch_lead_s, size, spare_limits
from autoscaler.spread import Wanted, as_one, asked, base_of, branches, spread, valued
from collectors.observation import Observation
from forecasting.forecast import Forecast
from runtime.fleet import PoolTarget
from runtime.replica import Tier

SMOOTHING_S = 60.0
"""Time constant of the mean work and lengths: request mixes drift over minutes, single intervals only jitter.
"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What each voice asks for, and the loudest."""

    constraints: tuple[Constraint, ...]
    active: int
    binding: str


def decide(
    observation: Observation,
    forecast: Forecast | None,
    state: ControlState,
    policy: Policy,
    now_s: float,
) -> Decision:
    """One decision for one service at ``now_s`` (UTC seconds)."""
    mode = effective_mode(policy, now_s)
    fresh = abs(now_s - observation.at_s) <= policy.stale_after_s
    known = _idle(_learn(state, observation), observation) if fresh else state
    erlangs = offered_erlangs(observation, state.pool, known.work_ms_per_request) if fresh else None
    rho = _rho_max(known, policy)
    known = valued(known, policy, rho)
    apart, state = known, as_one(replace(state, more=known.more))
    known = as_one(known)
    sizing = size(forecast, state, policy, rho, observation.interval_s) if forecast else None
    asleep = sizing is not None and forecast is not None and _may_sleep(known, forecast, sizing, policy, now_s)
    needs = _needs(observation if fresh else None, erlangs, sizing, known, policy, rho, asleep)
    remembered = replace(state, needs=()) if asleep else state
    facts = _facts(observation, erlangs, forecast, remembered, policy, now_s, needs.active)
    active, binding, guards = guardrails.apply(needs.active, needs.binding, facts)
    wanted = _spares_wanted(sizing, active, state, policy) if sizing and not asleep else facts.current_spare
    target = _target(state, policy, active, guardrails.spare(wanted, active, facts, guards))
    target = _frozen(state, policy) if binding == "freeze" else _without_the_sick(target, facts)
    frozen = binding == "freeze" and state.targets
    targets = frozen or _targets(apart, policy, target, forecast, rho, observation.interval_s, now_s)
    sick = health_detail(target, state.health.sick, now_s)
    constraints = tuple(replace(c, binds=c.name == binding) for c in needs.constraints) + tuple(guards) + sick
    shared = rho.among(active)
    demand = demanded(None if asleep else sizing, erlangs, policy.reactive.load_factor)
    acts = mode is Mode.AUTO
    return Decision(
        id=f"{state.service}-{round(now_s * 1000)}",
        service=state.service,
        at_s=now_s,
        mode=mode,
        act=acts,
        plan=Plan(targets),
        constraints=constraints,
        binding=binding,
        sentence=sentence(mode, facts, target, needs.binding, binding, constraints, shared),
        offered_erlangs=erlangs,
        rho_max=shared.value,
        rho_binding=shared.binding,
        capacity_erlangs=state.counts.active * rho.among(state.counts.active).value,
        risk_of_shortfall=_risk(forecast, state, target if acts else None, rho, observation.interval_s),
        next_state=asked(_next_state(known, facts, target, acts, active, binding), apart, targets, acts, now_s),
        rho_max_configured=None if shared.configured is None else shared.configured.value,
        alternatives=alternatives(active, binding, constraints, facts, rho, demand),
        usd_per_hour_now=_usd_per_hour([branch.counts for branch in branches(apart)], apart),
        usd_per_hour_then=_usd_per_hour([planned(one) for one in targets], apart),
    )


def effective_mode(policy: Policy, now_s: float) -> Mode:
    """The policy's mode; a pause whose end has passed is ``auto``."""
    over = policy.paused_until_s is not None and now_s >= policy.paused_until_s
    return Mode.AUTO if policy.mode is Mode.PAUSED and over else policy.mode


def spares(state: ControlState) -> int:
    """Standby and asleep replicas now, those on their way included."""
    return state.counts.standby + state.counts.asleep + state.counts.preparing


def in_hand(state: ControlState) -> int:
    """Replicas in rotation or on their way to it."""
    return state.counts.active + state.counts.launching + state.counts.waking


def _learn(state: ControlState, observation: Observation) -> ControlState:
    """Smoothed means of work and lengths with what this interval adds."""
    rate = 1 - math.exp(-max(0.0, observation.interval_s) / SMOOTHING_S)

    def blend(old: float | None, new: float | None) -> float | None:
        if old is None or new is None or not math.isfinite(new):
            return old if new is None or not math.isfinite(new) else new
        return old + rate * (new - old)

    return replace(
        state,
        work_ms_per_request=blend(state.work_ms_per_request, mean_work_ms(observation, state.pool)),
        mean_input_tokens=blend(state.mean_input_tokens, observation.mean_input_tokens),
        mean_output_tokens=blend(state.mean_output_tokens, observation.mean_output_tokens),
        work_correction=blend(state.work_correction, work_correction(observation, state.pool, state.learned)),
    )


def _rho_max(known: ControlState, policy: Policy) -> RhoMax:
    """What one replica carries of the smoothed mix of requests, by the law as learned."""
    lengths = known.mean_input_tokens, known.mean_output_tokens
    return learned_rho_max(known.pool, known.learned, policy.slo, *lengths, known.work_correction, policy.routing)


def _idle(state: ControlState, observation: Observation) -> ControlState:
    """The state with the moment since when nothing has come; what cannot be known is no idleness."""
    seen = (observation.arrivals_per_s, observation.running, observation.waiting, observation.held)
    nothing = observation.valid and observation.arrivals_per_s is not None and not any(seen)
    since_s = observation.at_s if state.idle_since_s is None else state.idle_since_s
    return replace(state, idle_since_s=since_s if nothing else None)


def _may_sleep(state: ControlState, forecast: Forecast, sizing: Sizing, policy: Policy, now_s: float) -> bool:
    """Whether a service that may go to zero has been idle for long enough, and is likely to stay so.

    A request is likely where the median of the load within a launch is that of half a request in a minute or more.
    """
    if policy.replicas.min > 0 or state.idle_since_s is None or now_s - state.idle_since_s < policy.replicas.idle_s:
        return False
    half_erlangs = 0.5 * (state.work_ms_per_request or 0.0) / 1000 / 60
    return forecast.quantile(sizing.slow.lead_s, 0.5) <= half_erlangs


def _needs(
    observation: Observation | None,
    erlangs: float | None,
    sizing: Sizing | None,
    known: ControlState,
    policy: Policy,
    rho: RhoMax,
    asleep: bool,
) -> Needs:
    """The voices in order; the first of the loudest is the one that binds."""
    voices: list[Constraint] = []
    if sizing is not None and asleep:
        voices.append(Constraint("forecast", 0, False, idle_detail(sizing, policy), _taken(sizing)))
    elif sizing is not None:
        voices.append(Constraint("forecast", sizing.active, False, demand_detail(sizing), _taken(sizing)))
    if observation is not None:
        factor = policy.reactive.load_factor
        load = load_need(observation, erlangs, known.work_ms_per_request, rho, factor)
        voices.append(Constraint("load", load, False, load_detail(observation, erlangs, factor)))
        ratio = latency_ratio(observation, corrected(known.pool, known.learned), policy)
        if ratio is not None:
            latency = latency_need(ratio, known.counts, policy)
            voices.append(Constraint("latency", latency, False, latency_detail(ratio)))
        voices += saturation(observation, known.counts, known.work_ms_per_request, policy, rho)
    if not voices:
        return Needs((), 0, "hold")
    loudest = max(voices, key=lambda voice: voice.replicas)
    return Needs(tuple(voices), loudest.replicas, loudest.name)


def _taken(sizing: Sizing) -> tuple[Quantile, ...]:
    demands = (sizing.slow,) if sizing.fast is None else (sizing.fast, sizing.slow)
    return tuple(Quantile(demand.lead_s, demand.tau, demand.erlangs) for demand in demands)


def _facts(
    observation: Observation,
    erlangs: float | None,
    forecast: Forecast | None,
    state: ControlState,
    policy: Policy,
    now_s: float,
    need: int,
) -> Facts:
    desired = state.desired
    current = in_hand(state) if desired is None else desired.active - state.replacing
    current_spare = spares(state) if desired is None else desired.standby + desired.asleep
    reason = _hold_reason(observation, erlangs, forecast, policy, now_s)
    # While nothing can be known, what is running counts as needed: a full window passes before the next
    # scale-in.
    counted = need if reason is None else max(need, current)
    needs = guardrails.remember(state.needs, now_s, counted, guardrails.scale_in_window_s(state, policy, now_s))
    return Facts(now_s, current, current_spare, reason, needs, state, policy)


def _hold_reason(
    observation: Observation, erlangs: float | None, forecast: Forecast | None, policy: Policy, now_s: float
) -> str | None:
    age_s = now_s - observation.at_s
    if abs(age_s) > policy.stale_after_s:
        when = f"{age_s:.0f} s old" if age_s > 0 else f"{-age_s:.0f} s in the future"
        return f"data is {when} (stale after {policy.stale_after_s:g} s)"
    if not observation.valid:
        named = "; ".join(f"{gap.subject}: {gap.reason}" for gap in observation.gaps[:3])
        return f"data is incomplete ({named or 'no reason given'})"
    if erlangs is None:
        return "the offered load cannot be known yet"
    return "there is no forecast yet" if forecast is None else None


def _spares_wanted(sizing: Sizing, active: int, state: ControlState, policy: Policy) -> int:
    """What is left of the total once the active ones are set, as far as spares are worth holding."""
    fewest, most = spare_limits(state, policy)
    return min(most, max(fewest, sizing.active + sizing.spare - active))


def _target(state: ControlState, policy: Policy, active: int, spare: int) -> PoolTarget:
    asleep = policy.standby.tier == Tier.ASLEEP
    return PoolTarget(
        service=state.service,
        pool=state.pool.name,
        active=active,
        standby=0 if asleep else spare,
        asleep=spare if asleep else 0,
        warm_node=state.counts.warm_node,
    )


def _targets(
    apart: ControlState,
    policy: Policy,
    target: PoolTarget,
    forecast: Forecast | None,
    rho: RhoMax,
    review_s: float,
    now_s: float,
) -> tuple[PoolTarget, ...]:
    """The target of each pool; ``apart`` counts each pool's replicas by themselves."""
    if not apart.more:
        return (target,)
    base = base_of(forecast, policy, target.active, launch_lead_s(apart) + review_s)
    wanted = Wanted(target.active, target.standby + target.asleep, base)
    return tuple(replace(one, avoid=target.avoid) for one in spread(apart, policy, wanted, now_s))


def _usd_per_hour(counts: Sequence[TierCounts], apart: ControlState) -> float:
    """What so many replicas of each pool cost."""
    pools = [branch.pool for branch in branches(apart)]
    return sum(hourly(each, pool).total_usd for each, pool in zip(counts, pools, strict=True))


def _without_the_sick(target: PoolTarget, facts: Facts) -> PoolTarget:
    """The target with a replacement for each sick replica that still counts as active, and with those that leave."""
    sick = facts.state.health.sick
    if not sick:
        return target
    gone = leaving(sick, facts.state.counts.active, target.active)
    staying = sum(s.counted and s.replica not in gone for s in sick)
    room = guardrails.ceiling(facts) - target.active - target.standby - target.asleep
    return replace(target, active=target.active + max(0, min(staying, room)), avoid=gone)


def _frozen(state: ControlState, policy: Policy) -> PoolTarget:
    """What is asked for already or, where nothing is, what is there."""
    return state.desired or _target(state, policy, in_hand(state), spares(state))


def _risk(
    forecast: Forecast | None, state: ControlState, target: PoolTarget | None, rho: RhoMax, review_s: float
) -> float | None:
    """Probability that the maximum load within a launch exceeds what can be ready by then.

    Between the quantiles it is interpolated, above the highest it falls off exponentially.
    """
    if forecast is None:
        return None
    replicas = in_hand(state) + spares(state)
    if target is not None:
        replicas = max(replicas, target.active + target.standby + target.asleep)
    capacity = replicas * rho.among(replicas).value
    lead = launch_lead_s(state) + review_s
    loads = [forecast.quantile(lead, tau) for tau in forecast.taus]
    if capacity <= loads[-1]:
        return float(1 - np.interp(capacity, [0.0, *loads], [0.0, *forecast.taus])) if loads[-1] > 0 else 0.0
    tail = 1 - forecast.taus[-1]
    spread = loads[-1] - forecast.quantile(lead, forecast.taus[0])
    return float(tail * math.exp(-3 * (capacity - loads[-1]) / spread)) if spread > 0 else 0.0


def _next_state(
    known: ControlState, facts: Facts, target: PoolTarget, acts: bool, active: int, binding: str
) -> ControlState:
    """The memory; ``active`` is the target without the replacements of sick replicas."""
    if not acts:
        return replace(known, desired=None, needs=facts.needs, ask=None, replacing=0)
    held, wanted = facts.current + facts.current_spare, active + target.standby + target.asleep
    # To ask for less because nothing comes takes nothing away.
    shrinks = (active < facts.current or wanted < held) and binding != "unschedulable"
    out = active > facts.current
    direction = out - (shrinks and active < facts.current)
    return replace(
        known,
        desired=target,
        needs=facts.needs,
        ask=asking(known.ask, active, known.counts.active, facts.now_s),
        restlessness=moved(known.restlessness, direction, facts.now_s, facts.policy.oscillation),
        replacing=known.replacing if binding == "freeze" else target.active - active,
        last_scale_out_s=facts.now_s if out else known.last_scale_out_s,
        last_scale_in_s=facts.now_s if shrinks else known.last_scale_in_s,
    )
