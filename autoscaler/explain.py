"""Why: one sentence a person understands, and the page behind it with every number that took part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from autoscaler.capacity import RhoMax
from autoscaler.decision import Constraint, Decision, Turned
from autoscaler.learning.law import TERMS
from autoscaler.policy import Mode, Policy
from autoscaler.safety.guardrails import Facts
from autoscaler.safety.health import Sick, spoken
from autoscaler.sizing import Demand, Sizing
from collectors.observation import Observation
from runtime.fleet import PoolTarget

LIMIT_NAMES = {"tpot": "TPOT", "kv": "KV memory", "seqs": "max_num_seqs", "ttft": "TTFT", "stability": "stability"}
PREFIXES = {
    Mode.AUTO: "",
    Mode.SHADOW: "Shadow, not acted on: ",
    Mode.PAUSED: "Paused, not acted on: ",
    Mode.OFF: "Off, not acted on: ",
}
NOTABLE = 0.05
"""Capacity that is off its configuration by less than this is not worth a word in the sentence."""


def demand_detail(sizing: Sizing) -> str:
    """The forecast's part, in words."""
    if sizing.fast is None:
        return _within(sizing.slow, "start a replica")
    verb = "wake a sleeping replica" if sizing.spare_tier == "asleep" else "take in a standby replica"
    return f"{_within(sizing.fast, verb)}, and {_within(sizing.slow, 'start one')}"


def idle_detail(sizing: Sizing, policy: Policy) -> str:
    """Why a forecast that is not zero asks for nothing."""
    return (
        f"no request came for {policy.replicas.idle_s:g} s, and none is likely within the {sizing.slow.lead_s:.0f} s "
        "it takes to start a replica"
    )


def load_detail(observation: Observation, erlangs: float | None, factor: float = 1.0) -> str:
    """The present load's part, in words."""
    waiting = (observation.waiting or 0.0) + (observation.held or 0.0)
    load = "an unknown load" if erlangs is None else f"{erlangs:.3g} erlangs"
    sized = "" if factor == 1.0 else f", sized for {factor:g} times that,"
    return f"{load} now{sized}" + (f" and {waiting:.0f} requests waiting" if waiting >= 1 else "")


def latency_detail(ratio: float) -> str:
    """The measured latency's part, in words."""
    return f"latency stands at {ratio:.0%} of its target"


def health_detail(target: PoolTarget, sick: Sequence[Sick], now_s: float) -> tuple[Constraint, ...]:
    """The sick replicas by name, with the active replicas that are asked for because of them; none, no constraint."""
    return (Constraint("health", target.active, False, spoken(sick, now_s)),) if sick else ()


def sentence(
    mode: Mode,
    facts: Facts,
    target: PoolTarget,
    need_binding: str,
    binding: str,
    constraints: Sequence[Constraint],
    rho: RhoMax,
) -> str:
    """One sentence: what is done, for which need, and which guard bound where one did."""
    by_name = {constraint.name: constraint for constraint in constraints}
    reasons = []
    if need_binding in by_name and binding != "hold":
        need = by_name[need_binding]
        asks = "" if need_binding == binding else f", which asks for {need.replicas}"
        reasons.append(need.detail + asks)
    if binding != need_binding or binding == "hold":
        reasons.append(by_name[binding].detail)
    if "health" in by_name:
        reasons.append(by_name["health"].detail)
    limit = LIMIT_NAMES.get(rho.binding, rho.binding)
    reasons.append(f"one replica carries {rho.value:.2g} ({limit} binds){_learned_words(rho)}")
    return f"{PREFIXES[mode]}{_move(facts, target)}: {'; '.join(reasons)}."


def text(decision: Decision) -> str:
    """The page behind the sentence, for a terminal: several lines, every constraint with its number."""
    when = datetime.fromtimestamp(decision.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    target = decision.plan.targets[0]
    lines = [
        f"{decision.service} at {when} ({decision.mode}, {decision.id})",
        decision.sentence,
        "",
        f"  plan      active {target.active}, standby {target.standby}, asleep {target.asleep}",
        f"  load      {_number(decision.offered_erlangs)} erlangs offered, {decision.capacity_erlangs:.3g} ready",
        f"  replica   carries {decision.rho_max:.3g} erlangs ({LIMIT_NAMES.get(decision.rho_binding, '')} binds)",
        *_learned_lines(decision),
        f"  shortfall {_percent(decision.risk_of_shortfall)} within the time a launch takes",
        "",
    ]
    if decision.usd_per_hour_now is not None and decision.usd_per_hour_then is not None:
        lines.insert(
            -1, f"  costs     ${decision.usd_per_hour_now:.2f} an hour now, ${decision.usd_per_hour_then:.2f} then"
        )
    if decision.next_state.tuned:
        lines.insert(-1, f"  tuned     {tuned_words(decision.next_state.tuned)}")
    lines[-1:-1] = [f"  or        {alternative.text}" for alternative in decision.alternatives]
    width = max((len(c.name) for c in decision.constraints), default=0)
    for c in decision.constraints:
        lines.append(f"  {'>' if c.binds else ' '} {c.name:<{width}} {c.replicas:>5}  {c.detail}")
    return "\n".join(lines)


def tuned_words(tuned: Sequence[Turned]) -> str:
    """Where the policy that decided is not the version's: ``risk.headroom 1.18 (policy 1)``, and so on."""
    return ", ".join(f"{knob.name} {knob.now:g} (policy {knob.own:g})" for knob in tuned)


def capacity_ratio(value: float, configured: float | None) -> float | None:
    """What a replica was found to carry over what its configured figures say; None where nothing was learned."""
    return value / configured if configured else None


def _learned_words(rho: RhoMax) -> str:
    ratio = capacity_ratio(rho.value, None if rho.configured is None else rho.configured.value)
    if ratio is None or abs(ratio - 1) < NOTABLE:
        return ""
    return f", {abs(ratio - 1):.0%} {'less' if ratio < 1 else 'more'} than its pool's entry says"


def _learned_lines(decision: Decision) -> list[str]:
    """What the replicas showed of the pool's law; nothing before they have shown anything."""
    learned = decision.next_state.learned
    ratio = capacity_ratio(decision.rho_max, decision.rho_max_configured)
    if learned is None or ratio is None:
        return []
    factors = ", ".join(f"{term} x{factor:.2f}" for term, factor in zip(TERMS, learned.factors, strict=True))
    bound = f"; held at its bound: {', '.join(learned.at_bound)}" if learned.at_bound else ""
    hours = learned.seconds / 3600
    refused = "".join(f"; {count} refused ({reason})" for reason, count in learned.refused)
    return [
        f"  learned   {ratio:.0%} of what its entry says, from {hours:.1f} replica-hours ({factors}{bound})",
        f"            {learned.taken} replicas taught at this look{refused}",
    ]


def _within(demand: Demand, verb: str) -> str:
    percentile = f"P{demand.tau * 100:.0f}"
    reach = f"demand may reach {demand.erlangs:.3g} erlangs ({percentile})"
    return f"{reach} within the {demand.lead_s:.0f} s it takes to {verb}"


def _move(facts: Facts, target: PoolTarget) -> str:
    spare = target.standby + target.asleep
    tier = "asleep" if target.asleep else "standby"
    held = f" with {spare} {tier}" if spare else ""
    if target.active == facts.current:
        return f"{'Hold' if facts.hold_reason else 'Keep'} {target.active}{held}"
    verb = "Scale out" if target.active > facts.current else "Scale in"
    return f"{verb} {facts.current} -> {target.active}{held}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%} likely"
