"""Which pods a controller removes when its count goes down, and how to have it remove the one that was drained. Pure.

A ReplicaSet removes pods that are not assigned, then not running, then not ready, and only among ready ones by deletion
cost. A StatefulSet and a LeaderWorkerSet remove the highest number, whatever it is doing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runtime.kubernetes.pods import PodState, Situation
from runtime.lifecycle import Move, Verb
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


def highest_first(moves: Sequence[Move], pods: Sequence[PodState], avoid: Collection[str]) -> list[Move]:
    """The same moves for a controller that removes by number: those that go are the highest, whoever was chosen.

    Who must leave in any case (``avoid``) does; it is replaced in place. A high one that serves is not given up while
    a lower one that stays is still starting.
    """
    here = [pod for pod in pods if pod.name not in avoid]
    names = {pod.name for pod in here}
    going = sum(move.to is Tier.COLD and move.member in names for move in moves)
    count = going + sum(pod.goal is Tier.COLD for pod in here)
    ranked = sorted(here, key=lambda pod: -(pod.ordinal or 0))
    starting = any(not pod.ready for pod in ranked[count:])
    chosen = {pod.name for pod in ranked[:count] if pod.goal is not Tier.COLD and not (starting and pod.ready)}
    stay = [m for m in moves if m.member not in chosen and not (m.to is Tier.COLD and m.member in names)]
    return stay + [Move(Verb.DRAIN, name, Tier.COLD) for name in sorted(chosen)]


def _rank(pod: PodState) -> tuple[bool, bool, bool]:
    starting = (Situation.CREATING, Situation.PENDING, Situation.UNSCHEDULABLE, Situation.NO_IMAGE, Situation.BROKEN)
    return bool(pod.node), pod.situation not in starting, pod.ready
