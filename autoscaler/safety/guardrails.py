"""What keeps a decision safe: floors and caps on the active replicas, each with its number and its reason.

Guards are pure functions in one ordered list; a new rule is one function and one entry in ``GUARDS``. A floor
holds a scale-in back and is never above the current target, so it cannot grow the fleet. The operator's own
bounds (min, max, budget) come last and win; where the budget is below what ``replicas.min`` costs, min wins. Only after
a policy was rolled back by itself do they wait for a settle window. What operators decide by hand stands over what is
needed (floor, schedule, pin) and under those bounds; only a freeze stands over everything.

Nothing scales in on missing, invalid or stale data, on a forecast alone, without a forecast, in the first
window after a restart, or below the highest need of the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoscaler.decision import Constraint, ControlState
from autoscaler.policy import Policy
from autoscaler.safety import schedule
from autoscaler.safety.overrides import duration, in_force, spoken
from autoscaler.safety.shortage import overdue_s
from autoscaler.sizing import launch_lead_s
from autoscaler.spread import cheapest_usd_per_hour
from runtime.replica import Tier


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guards look at: ``current`` is the target in force, ``needs`` the window with this tick's
    need.
    """

    now_s: float
    current: int
    current_spare: int
    hold_reason: str | None
    needs: tuple[tuple[float, int], ...]
    state: ControlState
    policy: Policy


@dataclass(frozen=True, slots=True)
class Bound:
    """A floor (``is_floor``) or cap on the active replicas; an ``exact`` one is both."""

    name: str
    is_floor: bool
    replicas: int
    detail: str
    exact: bool = False

    def moved(self, value: int) -> int:
        """The value within this bound."""
        if self.exact:
            return self.replicas
        return max(value, self.replicas) if self.is_floor else min(value, self.replicas)


Guard = Callable[[Facts], Bound | None]


def hold(facts: Facts) -> Bound | None:
    """Missing, invalid or stale data: stay, but let the forecast add."""
    if facts.hold_reason is None:
        return None
    return Bound("hold", True, facts.current, f"{facts.hold_reason}; never scale in on that")


def settle(facts: Facts) -> Bound | None:
    """The first window after a restart."""
    settle_s = facts.policy.scale_in.settle_after_restart_s
    age_s = facts.now_s - facts.state.started_at_s
    if age_s >= settle_s:
        return None
    detail = f"started {age_s:.0f} s ago; no scale-in for {settle_s:.0f} s after a start"
    return Bound("settle", True, facts.current, detail)


def rollback(facts: Facts) -> Bound | None:
    """A policy that came back by itself, at a time of trouble, takes nothing away; not even by a lower bound."""
    at_s, settle_s = facts.state.rolled_back_at_s, facts.policy.scale_in.settle_after_restart_s
    if at_s is None or facts.now_s - at_s >= settle_s:
        return None
    detail = f"policy rolled back {facts.now_s - at_s:.0f} s ago; no scale-in for {settle_s:.0f} s after that"
    return Bound("rollback", True, facts.current, detail)


def cooldown(facts: Facts) -> Bound | None:
    """A pause after each scale-in."""
    last_s, pause_s = facts.state.last_scale_in_s, facts.policy.scale_in.cooldown_s * calm(facts)
    if last_s is None or facts.now_s - last_s >= pause_s:
        return None
    detail = f"last scale-in {facts.now_s - last_s:.0f} s ago; the next one after {pause_s:.0f} s{restless(facts)}"
    return Bound("cooldown", True, facts.current, detail)


def window(facts: Facts) -> Bound | None:
    """Not below the highest need of the window."""
    highest = max((need for _, need in facts.needs), default=facts.current)
    window_s = scale_in_window_s(facts.state, facts.policy, facts.now_s)
    detail = f"{highest} were needed at some moment of the last {window_s:.0f} s{restless(facts)}"
    return Bound("window", True, min(facts.current, highest), detail)


def step_in(facts: Facts) -> Bound | None:
    """At most so many fewer at once."""
    step = facts.policy.scale_in.max_step
    return Bound("scale_in_step", True, max(0, facts.current - step), f"at most {step} fewer in one decision")


def step_out(facts: Facts) -> Bound | None:
    """At most so many more at once, by number and by factor, but always one."""
    rule = facts.policy.scale_out
    by_factor = math.floor(facts.current * rule.max_factor + 1e-9)
    top = max(facts.current + 1, min(facts.current + rule.max_step, by_factor))
    detail = f"at most {rule.max_step} more and {rule.max_factor:g} times {facts.current} in one decision"
    return Bound("scale_out_step", False, top, detail)


def unschedulable(facts: Facts) -> Bound | None:
    """Capacity that does not come: ask for one more than serves, which finds out when there is some again."""
    state = facts.state
    late_s = overdue_s(state.ask, launch_lead_s(state), facts.now_s)
    if state.ask is None or late_s is None:
        return None
    detail = f"asked for {state.ask.asked} more {duration(late_s)} ago, none came; asking for one until it does"
    # Who cannot see cannot tell what came either: the ask stays as it is until there is data again.
    least = state.counts.active + 1 if facts.hold_reason is None else max(state.counts.active + 1, facts.current)
    return Bound("unschedulable", False, least, detail)


def at_least(facts: Facts) -> Bound | None:
    """A floor that an operator set for a while."""
    override = in_force(facts.state.overrides, facts.state.service, facts.now_s).at_least
    if override is None:
        return None
    return Bound("at_least", True, override.replicas or 0, spoken(override, facts.now_s))


def scheduled(facts: Facts) -> Bound | None:
    """The weekly table's floor, one lead time ahead."""
    if not facts.policy.schedule:
        return None
    shift = schedule.floor_at(facts.policy.schedule, facts.now_s, launch_lead_s(facts.state))
    return None if shift is None else Bound("schedule", True, shift.min, schedule.spoken(shift))


def pin(facts: Facts) -> Bound | None:
    """A number that an operator set for a while."""
    override = in_force(facts.state.overrides, facts.state.service, facts.now_s).pin
    if override is None:
        return None
    return Bound("pin", True, override.replicas or 0, spoken(override, facts.now_s), exact=True)


def freeze(facts: Facts) -> Bound | None:
    """Nothing changes at all, whatever else is said."""
    override = in_force(facts.state.overrides, facts.state.service, facts.now_s).freeze
    if override is None:
        return None
    return Bound("freeze", True, facts.current, spoken(override, facts.now_s), exact=True)


def minimum(facts: Facts) -> Bound | None:
    """The operator's lower bound."""
    least = facts.policy.replicas.min
    return Bound("min", True, least, f"replicas.min is {least}")


def maximum(facts: Facts) -> Bound | None:
    """The operator's upper bound."""
    most = facts.policy.replicas.max
    return Bound("max", False, most, f"replicas.max is {most}")


def budget(facts: Facts) -> Bound | None:
    """What the budget pays for, though never less than ``replicas.min``."""
    usd, price = facts.policy.budget_usd_per_hour, cheapest_usd_per_hour(facts.state)
    if usd is None or price <= 0:
        return None
    paid = math.floor(usd / price + 1e-9)
    detail = f"${usd:g} an hour pays for {paid} at ${price:g} each"
    if paid < facts.policy.replicas.min:
        detail += f", but replicas.min {facts.policy.replicas.min} comes first"
    return Bound("budget", False, max(paid, facts.policy.replicas.min), detail)


def inventory(facts: Facts) -> Bound | None:
    """What is left of GPUs or money that are short for all services together."""
    grant = facts.state.grant
    if grant is None or grant.replicas is None:
        return None
    return Bound("inventory", False, grant.replicas, grant.detail)


GUARDS: tuple[Guard, ...] = (
    hold,
    settle,
    cooldown,
    window,
    step_in,
    step_out,
    unschedulable,
    at_least,
    scheduled,
    pin,
    minimum,
    maximum,
    budget,
    inventory,
    rollback,
    freeze,
)


def scale_in_window_s(state: ControlState, policy: Policy, now_s: float) -> float:
    """How far the scale-in window looks back now, seconds: longer while the service is restless."""
    return policy.scale_in.window_s * state.restlessness.factor(policy.oscillation, now_s)


def calm(facts: Facts) -> float:
    """What the cooldown is multiplied by."""
    return facts.state.restlessness.factor(facts.policy.oscillation, facts.now_s)


def restless(facts: Facts) -> str:
    """Why it takes longer than the policy says; empty where it does not."""
    if calm(facts) == 1.0:
        return ""
    turns, rule = len(facts.state.restlessness.turns), facts.policy.oscillation
    return f", {rule.widen:g} times as long after {turns} changes of direction within {duration(rule.within_s)}"


def apply(need: int, binding: str, facts: Facts) -> tuple[int, str, list[Constraint]]:
    """Run a need through all guards: the active replicas, the name of what decided, and each guard's number."""
    value, bounds = need, [bound for guard in GUARDS if (bound := guard(facts)) is not None]
    for bound in bounds:
        moved = bound.moved(value)
        if moved != value or bound.exact:
            value, binding = moved, bound.name
    return value, binding, [Constraint(b.name, b.replicas, b.name == binding, b.detail) for b in bounds]


def ceiling(facts: Facts) -> int:
    """The most active replicas that the operator's bounds and the capacity there is allow."""
    caps = [
        bound.replicas for guard in (maximum, budget, inventory, unschedulable) if (bound := guard(facts)) is not None
    ]
    return min(caps)


def spare(wanted: int, active: int, facts: Facts, bounds: Sequence[Constraint]) -> int:
    """Spare replicas after the guards: what is held in all shrinks as carefully as the active ones do."""
    policy, pool = facts.policy, facts.state.pool
    held = facts.current + facts.current_spare
    blocked = any(bound.name in {"hold", "settle", "cooldown", "rollback"} for bound in bounds)
    least_held = held if blocked else held - policy.scale_in.max_step
    kept = max(wanted, least_held - active) if facts.current_spare else wanted
    kept = min(kept, policy.standby.max, policy.replicas.max - active)
    if (granted := inventory(facts)) is not None:
        kept = min(kept, granted.replicas - active)
    price = pool.holding_usd_per_hour(Tier(policy.standby.tier))
    if policy.budget_usd_per_hour is not None and price > 0:
        left_usd = policy.budget_usd_per_hour - active * cheapest_usd_per_hour(facts.state)
        kept = min(kept, math.floor(left_usd / price + 1e-9))
    return max(0, kept)


def remember(
    needs: Sequence[tuple[float, int]], now_s: float, need: int, window_s: float
) -> tuple[tuple[float, int], ...]:
    """The window with this tick's need. A need is dropped once a later one is as high: the maximum stays
    exact.
    """
    kept = [(at_s, n) for at_s, n in needs if now_s - window_s <= at_s <= now_s and n > need]
    return (*kept, (now_s, need))
