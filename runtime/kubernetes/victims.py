"""Which pods a controller removes when its count goes down, and how to have it remove the one that was drained. Pure.

A ReplicaSet removes pods that are not assigned, then not running, then not ready, and only among ready ones by deletion
cost. A StatefulSet and a LeaderWorkerSet remove the highest number, whatever it is doing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runtime.fleet import PoolTarget
from runtime.kubernetes.pods import PodState, Situation
from runtime.replica import Tier

LEAST = -(2**31)
"""A deletion cost is an int32."""


def order(pods: Sequence[PodState], chosen: Collection[str] = ()) -> list[PodState]:
    """Pods as a ReplicaSet removes them, who goes first first; ``chosen`` ones have the lowest cost."""
    return sorted(pods, key=lambda pod: (*_rank(pod), pod.name not in chosen, pod.cost, -(pod.ready_s or 0.0)))


def removed(pods: Sequence[PodState], count: int, chosen: Collection[str], ordinal: bool) -> list[PodState]:
    """The ``count`` pods that go."""
    if ordinal:
        return sorted(pods, key=lambda pod: -(pod.ordinal or 0))[:count]
    return order(pods, chosen)[:count]


def cost_below(pods: Sequence[PodState], chosen: Collection[str]) -> int | None:
    """A cost lower than that of every pod that is to stay; None where somebody has given the lowest there is."""
    others = [pod.cost for pod in pods if pod.name not in chosen]
    below = min([0, *others]) - 1
    return below if below >= LEAST else None


def by_number(pods: Sequence[PodState], target: PoolTarget) -> dict[str, Tier]:
    """Goals where the highest number goes first: the lowest serve, those above stand by, then sleep, the rest goes.

    Who is to be avoided goes whatever its number. While one that is to serve is still starting, those that serve stay.
    """
    here = sorted((pod for pod in pods if pod.name not in target.avoid), key=lambda pod: pod.ordinal or 0)
    tiers = [Tier.ACTIVE] * target.active + [Tier.STANDBY] * target.standby + [Tier.ASLEEP] * target.asleep
    tiers += [Tier.COLD] * (len(here) - len(tiers))
    goals = {pod.name: tier for pod, tier in zip(here, tiers, strict=False)}
    if any(goals[pod.name] is Tier.ACTIVE and not pod.ready for pod in here):
        goals |= {pod.name: Tier.ACTIVE for pod in here if pod.goal is Tier.ACTIVE and pod.ready}
    return goals | {pod.name: Tier.COLD for pod in pods if pod.name in target.avoid}


def _rank(pod: PodState) -> tuple[bool, bool, bool]:
    starting = (Situation.CREATING, Situation.PENDING, Situation.UNSCHEDULABLE, Situation.NO_IMAGE, Situation.BROKEN)
    return bool(pod.node), pod.situation not in starting, pod.ready
