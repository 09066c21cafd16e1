"""How a ScalingPolicy stands, as its ``status``: written when something changed that people wait for. Pure.

Every decision has a time and numbers of its own, so a status that told each would be a write per service and tick. It
is told anew when counts, conditions or versions change, and otherwise every ``REFRESH_S`` while decisions are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.kubernetes.declared import Declared, Refusal
from app.manifests.resource import ByTier, Condition, LastDecision, Status, body
from autoscaler.counts import counts_of
from autoscaler.decision import Decision
from runtime.kubernetes.times import seconds
from runtime.replica import Replica

Json = dict[str, Any]
Said = tuple[str, str, str, str]
"""Type, status, reason and message of a condition."""

REFRESH_S = 300.0
LONGEST_SENTENCE = 2048


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a service: ``current`` and ``decision`` are None until there are any; ``gaps`` name what is
    missing or stale, and nothing is fresh while there are some. ``rival`` is why its pools are not moved.
    """

    policy_version: int
    followed: bool
    current: ByTier | None = None
    decision: Decision | None = None
    gaps: tuple[str, ...] = ()
    rival: Refusal | None = None


def status_of(declared: Declared, refusal: Refusal | None, standing: Standing | None, now_s: float) -> Json:
    """The whole status; times of conditions stay where their status does. ``standing`` is None for a refused one."""
    refusal = refusal or (standing.rival if standing else None)
    said = [_accepted(refusal, standing), _observed(standing)]
    wrong = next((one for one in said if one[1] != "True"), None)
    ready: Said = ("Ready", "False", *wrong[2:]) if wrong else ("Ready", "True", "Followed", "it is followed")
    known = {one.get("type"): one for one in declared.status.get("conditions") or ()}
    conditions = tuple(_condition(known.get(one[0]), one, declared.generation, now_s) for one in (*said, ready))
    made = Status(observed_generation=declared.generation, conditions=conditions)
    if standing is not None:
        made = made.model_copy(
            update={
                "policy_version": standing.policy_version,
                "current": standing.current,
                "desired": _desired(standing.decision),
                "last_decision": _last(standing.decision),
            }
        )
    return body(made)


def due(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """The merge patch from one status to another; none while only the last decision is another, and not for long."""
    changed = difference(old, new)
    if set(changed) - {"lastDecision"}:
        return changed
    before, after = (one.get("lastDecision") or {} for one in (old, new))
    if not before or not after or before.get("acted") != after.get("acted"):
        return changed
    return changed if seconds(after["at"]) - seconds(before["at"]) >= REFRESH_S else {}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """A merge patch (RFC 7396) from one object to another; lists are replaced whole."""
    changed: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping):
            if inner := difference(old[key], value):
                changed[key] = inner
        elif key not in old or old[key] != value:
            changed[key] = value
    return changed


def by_tier(replicas: tuple[Replica, ...]) -> ByTier:
    """What there is, of all pools."""
    found = counts_of(replicas)
    return ByTier(active=found.active, standby=found.standby, asleep=found.asleep, warm_node=found.warm_node)


def _accepted(refusal: Refusal | None, standing: Standing | None) -> Said:
    if refusal is not None:
        return ("Accepted", "False", refusal.reason, refusal.message)
    if standing is not None and not standing.followed:
        line = f"version {standing.policy_version} came after it and is in force: leadtime policy history"
        return ("Accepted", "False", "Superseded", line)
    return ("Accepted", "True", "Followed", "its targets are there, and nobody else scales them")


def _observed(standing: Standing | None) -> Said:
    if standing is None or standing.decision is None:
        return ("Observed", "Unknown", "NotYet", "nothing has been decided by it yet")
    if standing.gaps:
        return ("Observed", "False", "MissingData", f"missing or stale: {', '.join(standing.gaps)}; nothing scales in")
    return ("Observed", "True", "Fresh", "its data are fresh")


def _condition(before: Mapping[str, Any] | None, said: Said, generation: int, now_s: float) -> Condition:
    kind, status, reason, message = said
    since_s = seconds(before["lastTransitionTime"]) if before and before.get("status") == status else now_s
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        last_transition_time=_at(since_s),
        reason=reason,
        message=message,
    )


def _desired(decision: Decision | None) -> ByTier | None:
    if decision is None:
        return None
    total = decision.plan.total
    return ByTier(active=total.active, standby=total.standby, asleep=total.asleep, warm_node=total.warm_node)


def _last(decision: Decision | None) -> LastDecision | None:
    if decision is None:
        return None
    sentence = decision.sentence[:LONGEST_SENTENCE]
    return LastDecision(id=decision.id, at=_at(decision.at_s), acted=decision.act, sentence=sentence)


def _at(at_s: float) -> datetime:
    """Whole seconds, as the API server writes them."""
    return datetime.fromtimestamp(int(at_s), UTC)
