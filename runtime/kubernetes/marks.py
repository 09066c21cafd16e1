"""What we write on a pod, and nothing else: where it should be, whether it is in rotation, who set its deletion cost.

A pod is in rotation by a label of ours, which the Service's selector asks for and the pod template bears:
``leadtime.dev/rotation: in``. A label and no readiness gate, because it fails open (pods made while we are away serve
as soon as they are Ready; a gated one never would), because a standby pod stays Ready, so that rollouts, budgets and
the choice by deletion cost go on working, and because one patch changes the label and says why. All that a move needs
is on the pod, so whoever leads next carries on where the last one stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runtime.kubernetes import names
from runtime.kubernetes.times import whole
from runtime.replica import Tier

ROTATION = names.ROTATION_LABEL
"""Label: a ``Rotation``."""

SERVICE = names.SERVICE_LABEL
POOL = names.POOL_LABEL
WARM = names.WARM_LABEL
"""Labels or annotations of a workload that is to be found: its service, its pool, its Deployment of placeholders."""

TIER = "leadtime.dev/tier"
"""Annotation: the tier that the pod is wanted in; ``active`` where it is missing."""

MOVED = "leadtime.dev/moved-at"
ASLEEP = "leadtime.dev/asleep"
"""Annotation: restarts of the container that was put to sleep. One that was restarted since is awake."""

GOLDEN = "leadtime.dev/golden"
"""Annotation: the tokens that it said before it slept, separated by commas."""

COST = "controller.kubernetes.io/pod-deletion-cost"
OUR_COST = "leadtime.dev/deletion-cost"
"""Annotation: the cost that we set. Where ``COST`` says something else, somebody else writes it too."""


class Rotation(StrEnum):
    """Whether requests reach a pod. ``draining``: no new ones, those it has are finished; ``out``: it has none."""

    IN = "in"
    DRAINING = "draining"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written on one pod; None leaves it as it is."""

    pod: str
    goal: Tier | None = None
    rotation: Rotation | None = None
    cost: int | None = None
    drop_cost: bool = False

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return self.goal is None and self.rotation is None and self.cost is None and not self.drop_cost


def patch(change: Change, uid: str, now_s: float) -> dict[str, Any]:
    """A merge patch for the pod with that uid: another of the same name answers with a conflict."""
    notes: dict[str, str | None] = {}
    meta: dict[str, Any] = {"uid": uid, "annotations": notes}
    if change.goal is not None:
        notes[TIER] = str(change.goal)
    if change.rotation is not None:
        meta["labels"] = {ROTATION: str(change.rotation)}
    if change.goal is not None or change.rotation is not None:
        notes[MOVED] = whole(now_s)
    if change.cost is not None:
        notes[COST] = notes[OUR_COST] = str(change.cost)
    elif change.drop_cost:
        notes[COST] = notes[OUR_COST] = None
    return {"metadata": meta}


def slept(uid: str, restarts: int, golden: tuple[int, ...]) -> dict[str, Any]:
    """A merge patch: it sleeps, and this is what it said before."""
    said = ",".join(map(str, golden)) or None
    return {"metadata": {"uid": uid, "annotations": {ASLEEP: str(restarts), GOLDEN: said}}}


def woken(uid: str, enter: bool, now_s: float) -> dict[str, Any]:
    """A merge patch: it does not sleep and, if it is to ``enter``, serves."""
    notes: dict[str, str | None] = {ASLEEP: None, **({MOVED: whole(now_s)} if enter else {})}
    return {"metadata": {"uid": uid, "annotations": notes, **({"labels": {ROTATION: Rotation.IN}} if enter else {})}}
