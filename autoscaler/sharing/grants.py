"""Between services: what each may have where GPUs or money are short for all of them together.

Every service decides for itself first. Where what they want can be had, that is all. Where it cannot, one allocation
over all services (``autoscaler.allocation``) says what each gets, highest priority first, and those it concerns decide
again with that ``Grant`` among their inputs, so each decision still replays by itself.

Services that do not act (shadow, paused, off) keep what is there, and it is not given to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from autoscaler.allocation import Allocation, Demand, Line, Market, Option, Share, allocate
from autoscaler.controller import Considered
from autoscaler.decide import decide
from autoscaler.decision import ControlState, Grant
from autoscaler.policy import Policy
from autoscaler.sizing import launch_lead_s
from autoscaler.spread import SPOT_NOTICE_S, Wanted, base_of, branches, demand_of
from runtime.replica import Tier

KEEPS = 1_000_000
"""Priority of what is there and not ours to move."""

EXACT_UP_TO = 20
"""With more services than this the allocation is quick instead of exact."""

QUICK_GAP = 1e-3


@dataclass(frozen=True, slots=True)
class Limits:
    """What there is for all services. ``slices[name]`` are GPU types that are parts of another one: MIG."""

    market: Market = field(default_factory=Market)
    slices: Mapping[str, tuple[str, Fraction]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is limited at all."""
        return bool(self.market.domains) or self.market.budget_usd_per_hour is not None


def share(
    considered: Mapping[str, Considered], policies: Mapping[str, Policy], limits: Limits
) -> dict[str, Considered]:
    """What was considered, decided again by those whose share is less than they want or who must use other pools."""
    if not limits:
        return dict(considered)
    demands = [_sliced(_demand(one, policies[name]), limits) for name, one in considered.items()]
    spots = {option.spot: SPOT_NOTICE_S for demand in demands for option in demand.options if option.spot}
    gap = QUICK_GAP if len(demands) > EXACT_UP_TO else 0.0
    allocation = allocate(demands, replace(limits.market, notice_s=spots), gap)
    granted = _grants(demands, allocation)
    bound = {name: grant for name, grant in granted.items() if _binds(grant, considered[name])}
    return {name: _again(one, policies[name], bound.get(name)) for name, one in considered.items()}


def _demand(one: Considered, policy: Policy) -> Demand:
    """What a service wants in all, as it just decided."""
    decision, desired = one.decision, one.decision.next_state.desired
    state = replace(one.state, more=decision.next_state.more)
    if not decision.act or desired is None:
        return _as_it_is(state)
    lead_s = launch_lead_s(state) + one.observation.interval_s
    base = base_of(one.forecast, policy, desired.active, lead_s) if state.more else 0.0
    wanted = Wanted(desired.active, desired.standby + desired.asleep, base)
    return demand_of(state, policy, wanted, decision.at_s)


def _as_it_is(state: ControlState) -> Demand:
    """All that is there of a service, and nothing else."""
    options, erlangs = [], 0.0
    for branch in branches(state):
        counts, pool = branch.counts, branch.pool
        there = counts.active + counts.standby + counts.asleep + counts.launching + counts.waking + counts.preparing
        usd = {Tier.ACTIVE: pool.replica_usd_per_hour}
        gpus = Fraction(pool.gpus_per_replica)
        options.append(Option(pool.name, pool.gpu, gpus, branch.worth, usd, now={Tier.ACTIVE: there}, most=there))
        erlangs += branch.worth * there
    return Demand(state.service, tuple(options), (Line("there", erlangs, 0.0),), priority=KEEPS)


def _sliced(demand: Demand, limits: Limits) -> Demand:
    """The demand with slices as parts of the GPUs they are cut from."""

    def whole(option: Option) -> Option:
        if option.gpu not in limits.slices:
            return option
        gpu, part = limits.slices[option.gpu]
        return replace(option, gpu=gpu, gpus=option.gpus * part)

    return replace(demand, options=tuple(whole(option) for option in demand.options))


def _grants(demands: Sequence[Demand], allocation: Allocation) -> dict[str, Grant]:
    """By service, for those that use something short."""
    grants = {}
    for demand, given in zip(demands, allocation.shares, strict=True):
        scarce = [option for option in demand.options if _scarce(option, allocation)]
        if scarce and demand.priority < KEEPS:
            most = {option.pool: sum(given.counts[option.pool].values()) for option in scarce}
            grants[demand.service] = Grant(most, _replicas(demand, given), _detail(demand, given, demands))
    return grants


def _binds(grant: Grant, one: Considered) -> bool:
    """Whether the grant is less than was decided; where it is not, the best without it is the best with it."""
    used = {target.pool: target.active + target.standby + target.asleep for target in one.decision.plan.targets}
    return grant.replicas is not None or any(used.get(pool, 0) > most for pool, most in grant.most.items())


def _scarce(option: Option, allocation: Allocation) -> bool:
    return "fleet budget" in allocation.binding or f"inventory {option.gpu}" in allocation.binding


def _replicas(demand: Demand, given: Share) -> int | None:
    """What a service that is short gets in all, in replicas of its first pool."""
    if not given.shortages:
        return None
    worth = sum(option.erlangs * sum(given.counts[option.pool].values()) for option in demand.options)
    return int(worth + 1e-9)


def _detail(demand: Demand, given: Share, demands: Sequence[Demand]) -> str:
    """What is short, and who comes first."""
    limits = ", ".join(dict.fromkeys(limit for one in given.shortages for limit in one.limits))
    types = {option.gpu for option in demand.options}
    rivals = [
        other.service
        for other in demands
        if other.priority > demand.priority and types & {option.gpu for option in other.options}
    ]
    first = f"; {', '.join(rivals)} {'has' if len(rivals) == 1 else 'have'} priority" if rivals else ""
    return f"{limits or 'other pools are used, as this one is short'}{first}"


def _again(one: Considered, policy: Policy, grant: Grant | None) -> Considered:
    if grant is None:
        return one
    state = replace(one.state, grant=grant)
    return replace(one, state=state, decision=decide(one.observation, one.forecast, state, policy, one.decision.at_s))
