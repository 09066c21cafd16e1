"""What the list of replicas means to a decision: how many are in each state, and who should answer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from autoscaler.decision import TierCounts
from runtime.replica import Replica, Tier, Transition

ON_THE_WAY = {Transition.LAUNCHING: "launching", Transition.WAKING: "waking"}


def state_name(replica: Replica) -> str:
    """The field of ``TierCounts`` that a replica is counted in."""
    if replica.transition is None:
        return "" if replica.tier is Tier.COLD else replica.tier.value
    if replica.transition in ON_THE_WAY and replica.tier is not Tier.ACTIVE:
        return "preparing"
    return ON_THE_WAY.get(replica.transition, replica.transition.value)


def counts_of(replicas: Iterable[Replica], sick: Collection[str] = ()) -> TierCounts:
    """Every replica once: as sick where it is one of those and not on its way out, else under its transition while it
    has one, else under its tier.
    """
    counts: dict[str, int] = {}
    for replica in replicas:
        name = state_name(replica)
        if replica.name in sick and name not in ("draining", "failed"):
            name = "sick"
        if name:
            counts[name] = counts.get(name, 0) + 1
    return TierCounts(**counts)


def answers(replica: Replica) -> bool:
    """Whether an engine process should answer: it does not while launching, failed, or where none runs."""
    if replica.transition in (Transition.LAUNCHING, Transition.FAILED):
        return False
    running = (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)
    return replica.tier in running or replica.transition is Transition.DRAINING
