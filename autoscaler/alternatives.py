"""What would have changed a decision: how much more load makes it one replica more, how much less one fewer. Pure.

The threshold is the load that so many replicas carry, the inverse of sizing, so it is exact for the voices that speak
of load. Where something else holds the decision (a bound, a window, a person), that is said instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.capacity import STAFFING_BETA, RhoMax
from autoscaler.decision import Alternative, Constraint
from autoscaler.safety.guardrails import Facts, calm, scale_in_window_s
from autoscaler.safety.overrides import duration
from autoscaler.sizing import Sizing

HANDS = {"pin": "the pin ends", "freeze": "the freeze ends"}
FLOORS = {
    "at_least": "the override ends",
    "schedule": "the shift ends",
    "min": "replicas.min is lowered",
}


@dataclass(frozen=True, slots=True)
class Demanded:
    """The load that counts, as the decision saw it: what it is called, and how much it is, erlangs."""

    voice: str
    label: str
    erlangs: float


def carried(replicas: int, rho: RhoMax) -> float:
    """The largest load that so many replicas carry, erlangs: the inverse of ``capacity.replicas_for``.

    ``replicas = (A + β·√(A/n)) / ρ`` is a quadratic in ``√A``.
    """
    room = replicas * rho.among(replicas).value
    noise = STAFFING_BETA / math.sqrt(rho.sequences_per_erlang) if rho.sequences_per_erlang else 0.0
    return ((math.sqrt(noise**2 + 4 * room) - noise) / 2) ** 2


def demanded(sizing: Sizing | None, erlangs: float | None, factor: float) -> Demanded | None:
    """The forecast's nearest quantile, else the load now; None where neither is known."""
    if sizing is not None:
        demand = sizing.fast or sizing.slow
        label = f"P{demand.tau * 100:.0f} within {demand.lead_s:.0f} s"
        return Demanded("forecast", label, demand.erlangs)
    return None if erlangs is None else Demanded("load", "the load now", erlangs * factor)


def alternatives(
    active: int, binding: str, constraints: tuple[Constraint, ...], facts: Facts, rho: RhoMax, demand: Demanded | None
) -> tuple[Alternative, ...]:
    """One more, and one fewer where there is one to go."""
    by_name = {constraint.name: constraint for constraint in constraints}
    if binding in HANDS:
        return (Alternative(active, binding, None, 0.0, f"anything else once {HANDS[binding]}"),)
    more = _more(active, by_name, facts, rho, demand)
    return (more, _fewer(active, binding, by_name, facts, rho, demand)) if active > 0 else (more,)


def _more(
    active: int, by_name: Mapping[str, Constraint], facts: Facts, rho: RhoMax, demand: Demanded | None
) -> Alternative:
    caps = {
        "max": "if replicas.max is raised",
        "budget": f"if the budget is raised to ${(active + 1) * facts.state.pool.replica_usd_per_hour:g} an hour",
        "unschedulable": "once capacity comes",
        "scale_out_step": "at the next decision, if it is still needed",
    }
    for name, when in caps.items():
        if name in by_name and by_name[name].replicas <= active:
            return Alternative(active + 1, name, None, 0.0, f"one more {when}")
    if demand is None:
        return Alternative(active + 1, "load", None, 0.0, "one more once the load is known and asks for it")
    limit = carried(active, rho)
    text = f"one more if {demand.label} rises above {limit:.3g} erlangs (now {demand.erlangs:.3g})"
    return Alternative(active + 1, demand.voice, limit, 0.0, text)


def _fewer(
    active: int, binding: str, by_name: Mapping[str, Constraint], facts: Facts, rho: RhoMax, demand: Demanded | None
) -> Alternative:
    for name, when in FLOORS.items():
        if name in by_name and by_name[name].replicas >= active:
            return Alternative(active - 1, name, None, 0.0, f"one fewer once {when}")
    if "hold" in by_name or demand is None:
        return Alternative(active - 1, "hold", None, 0.0, f"one fewer once {_blindness(by_name)}")
    after_s = _wait_s(active, by_name, facts)
    passes = f" and {duration(after_s)} pass" if after_s > 0 else ""
    others = [c for c in by_name.values() if c.name in VOICES_NOW and c.replicas >= active]
    if others:
        voice = max(others, key=lambda c: c.replicas)
        text = f"one fewer once {voice.name} asks for fewer ({voice.detail}){passes}"
        return Alternative(active - 1, voice.name, None, after_s, text)
    limit = carried(active - 1, rho)
    if demand.erlangs <= limit and binding in ("window", "settle", "cooldown", "rollback", "scale_in_step"):
        text = f"one fewer in {duration(after_s)} if {demand.label} stays below {limit:.3g} erlangs"
    else:
        text = f"one fewer once {demand.label} falls below {limit:.3g} erlangs (now {demand.erlangs:.3g}){passes}"
    return Alternative(active - 1, demand.voice, limit, after_s, text)


VOICES_NOW = frozenset({"latency", "kv", "queue", "preemptions", "rejections"})
"""Voices that speak of how things go now, and not of load."""


def _blindness(by_name: Mapping[str, Constraint]) -> str:
    return by_name["hold"].detail.split(";")[0] + " is over" if "hold" in by_name else "the load is known"


def _wait_s(active: int, by_name: Mapping[str, Constraint], facts: Facts) -> float:
    """How long until the slowest of window, settling and cooldown lets go, seconds; the load falling now."""
    state, policy, now_s = facts.state, facts.policy, facts.now_s
    window_s = scale_in_window_s(state, policy, now_s)
    waits = [at_s + window_s - now_s for at_s, need in facts.needs if need >= active]
    if "settle" in by_name:
        waits.append(state.started_at_s + policy.scale_in.settle_after_restart_s - now_s)
    if "rollback" in by_name and state.rolled_back_at_s is not None:
        waits.append(state.rolled_back_at_s + policy.scale_in.settle_after_restart_s - now_s)
    if "cooldown" in by_name and state.last_scale_in_s is not None:
        waits.append(state.last_scale_in_s + policy.scale_in.cooldown_s * calm(facts) - now_s)
    return max(0.0, *waits) if waits else 0.0
