"""What a pod's own words mean: is its engine ready, why not, and which replica is it? Pure.

A pod that is terminating may still be Ready and holds its GPUs; one whose node is lost still says Running, with its
containers ready; one that cannot be scheduled says so only in a condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from runtime.kubernetes import marks
from runtime.kubernetes.marks import Rotation
from runtime.kubernetes.times import seconds
from runtime.lifecycle import Member
from runtime.replica import Replica, Tier, Transition

Json = dict[str, Any]

PORT = 8000
"""Of an engine whose container names none."""

FLAP_S = 10.0
"""A pod that stopped being ready so long after its container began was ready once, and may hold requests."""


class Situation(StrEnum):
    """What is happening to a pod, and what the reason is called elsewhere."""

    READY = "Ready"
    STARTING = "Starting"
    CREATING = "ContainerCreating"
    PENDING = "Pending"
    UNSCHEDULABLE = "Unschedulable"
    NO_IMAGE = "ImagePull"
    CRASHING = "CrashLoop"
    BROKEN = "CannotStart"
    NODE_LOST = "NodeLost"
    TERMINATING = "Terminating"
    EVICTED = "Evicted"
    ENDED = "Ended"


GONE = (Situation.TERMINATING, Situation.EVICTED, Situation.ENDED)
"""Their controller counts them no more."""

FAILED = (
    Situation.NO_IMAGE,
    Situation.CRASHING,
    Situation.BROKEN,
    Situation.NODE_LOST,
    Situation.EVICTED,
    Situation.ENDED,
)

WAITING = {
    "CrashLoopBackOff": Situation.CRASHING,
    "ErrImagePull": Situation.NO_IMAGE,
    "ImagePullBackOff": Situation.NO_IMAGE,
    "InvalidImageName": Situation.NO_IMAGE,
    "ErrImageNeverPull": Situation.NO_IMAGE,
    "CreateContainerConfigError": Situation.BROKEN,
    "CreateContainerError": Situation.BROKEN,
    "RunContainerError": Situation.BROKEN,
}


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod as far as we need it. ``goal`` is where it should be, ``served`` whether requests may have reached it.

    ``ordinal`` is its number in a StatefulSet or among groups. Times are UTC seconds; ``ready_s`` is when it became
    ready, ``moved_s`` when we last moved it.
    """

    name: str
    namespace: str
    uid: str
    situation: Situation
    why: str
    goal: Tier
    rotation: Rotation
    asleep: bool
    served: bool
    created_s: float
    ready_s: float | None
    moved_s: float | None
    base_url: str
    node: str
    restarts: int
    ordinal: int | None
    cost: int
    our_cost: bool
    revision: str
    labels: Mapping[str, str]
    golden: tuple[int, ...]

    @property
    def ready(self) -> bool:
        """Its engine answers its probe."""
        return self.situation is Situation.READY

    @property
    def counted(self) -> bool:
        """One of its controller's replicas."""
        return self.situation not in GONE


def state(pod: Json) -> PodState:
    """From the object, whole or as ``keep`` left it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    notes, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    containers = status.get("containerStatuses") or ()
    situation, why = _situation(pod, conditions)
    restarts = sum(one.get("restartCount", 0) for one in containers)
    cost = notes.get(marks.COST, "0")
    return PodState(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        situation=situation,
        why=why,
        goal=_GOALS.get(notes.get(marks.TIER, ""), Tier.ACTIVE),
        rotation=_ROTATIONS.get(labels.get(marks.ROTATION, Rotation.IN), Rotation.OUT),
        asleep=notes.get(marks.ASLEEP) == str(restarts),
        served=situation is Situation.READY or _flapped(conditions.get("Ready"), containers),
        created_s=seconds(meta["creationTimestamp"]),
        ready_s=_time(conditions.get("Ready")) if situation is Situation.READY else None,
        moved_s=_moved(notes.get(marks.MOVED, "")),
        base_url=_base_url(pod),
        node=pod["spec"].get("nodeName", ""),
        restarts=restarts,
        ordinal=_ordinal(meta),
        cost=int(cost),
        our_cost=marks.OUR_COST in notes and notes[marks.OUR_COST] == cost,
        revision=labels.get("pod-template-hash") or labels.get("controller-revision-hash", ""),
        labels=labels,
        golden=tuple(int(token) for token in notes.get(marks.GOLDEN, "").split(",") if token.isdigit()),
    )


def replica(pod: PodState, service: str, pool: str) -> Replica:
    """As the contract shows it. Its GPUs have no names in the API; dcgm-exporter tells them by pod."""
    since = [at_s for at_s in (pod.created_s, pod.ready_s, pod.moved_s) if at_s is not None]
    return Replica(
        name=pod.name,
        service=service,
        pool=pool,
        tier=Tier.COLD if pod.situation is Situation.TERMINATING else pod.goal,
        transition=transition(pod),
        since_s=max(since),
        base_url=pod.base_url,
        node=pod.node,
        gpus=(),
    )


def member(pod: PodState, load: int = 0) -> Member:
    """As reconciling sees it. One that fails to start is still being started, by its node, for as long as it takes:
    launching others in its place would only multiply what fails.
    """
    found = transition(pod)
    if found is Transition.FAILED:
        found = Transition.LAUNCHING
    return Member(pod.name, pod.goal, found, max(pod.created_s, pod.moved_s or 0.0), load)


def transition(pod: PodState) -> Transition | None:
    """What it is in the middle of."""
    if pod.situation in FAILED:
        return Transition.FAILED
    if pod.situation is Situation.TERMINATING or pod.goal is Tier.COLD:
        return Transition.DRAINING
    if not pod.ready:
        return Transition.LAUNCHING
    if pod.goal is Tier.ACTIVE:
        return None if pod.rotation is Rotation.IN and not pod.asleep else Transition.WAKING
    arrived = pod.rotation is Rotation.OUT and pod.asleep is (pod.goal is Tier.ASLEEP)
    return None if arrived else Transition.DRAINING


def together(leader: PodState, others: Sequence[PodState]) -> PodState:
    """A group of pods that serve as one, as the leader's state: no better than the worst of them."""
    worst = max([leader, *others], key=lambda pod: _BADNESS.index(pod.situation))
    if worst is leader:
        return leader
    why = f"{worst.name}: {worst.why or worst.situation}"
    # A ready leader whose worker is not is restarted with its group; until then it may hold requests.
    return replace(leader, situation=worst.situation, why=why, ready_s=None)


def keep(pod: Json) -> Json:
    """What anybody reads of a pod, about a tenth of it."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    notes = {
        k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith("leadtime.dev/") or k == marks.COST
    }
    kept = {k: meta[k] for k in _META if k in meta}
    owners = [{"kind": o["kind"], "name": o["name"], "uid": o["uid"]} for o in meta.get("ownerReferences") or ()]
    containers = [{k: c[k] for k in ("name", "ports", "resources") if k in c} for c in spec.get("containers") or ()]
    return {
        "metadata": {**kept, "annotations": notes, "ownerReferences": owners},
        "spec": {"nodeName": spec.get("nodeName", ""), "containers": containers},
        "status": {k: status[k] for k in _STATUS if k in status},
    }


_META = ("name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp")
_STATUS = ("phase", "reason", "message", "conditions", "podIP", "containerStatuses", "initContainerStatuses")
_BADNESS = list(Situation)
_GOALS = {str(tier): tier for tier in Tier}
_ROTATIONS = {str(rotation): rotation for rotation in Rotation}
"""A label that says anything else is selected by no Service: the pod is out."""


def _situation(pod: Json, conditions: Mapping[str, Json]) -> tuple[Situation, str]:
    status = pod.get("status") or {}
    phase, said = status.get("phase"), status.get("message", "")
    if phase in ("Failed", "Succeeded"):
        return (Situation.EVICTED if status.get("reason") == "Evicted" else Situation.ENDED), said
    if "deletionTimestamp" in pod["metadata"]:
        return Situation.TERMINATING, f"by {pod['metadata']['deletionTimestamp']}"
    ready = conditions.get("Ready", {})
    if phase == "Unknown" or (_false(ready) and _true(conditions.get("ContainersReady", {})) and "reason" not in ready):
        return Situation.NODE_LOST, f"node {pod['spec'].get('nodeName', '')} does not answer"
    scheduled = conditions.get("PodScheduled", {})
    if _false(scheduled):
        kind = Situation.UNSCHEDULABLE if scheduled.get("reason") == "Unschedulable" else Situation.PENDING
        return kind, scheduled.get("message", "")
    if waiting := _waiting(status):
        return waiting
    if _true(ready):
        return Situation.READY, ""
    if phase == "Running":
        return Situation.STARTING, ready.get("message", "")
    return (Situation.CREATING if pod["spec"].get("nodeName") else Situation.PENDING), ""


def _waiting(status: Json) -> tuple[Situation, str] | None:
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (kind := WAITING.get(waiting.get("reason", ""))) is not None:
            return kind, f"{container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip()
    return None


def _flapped(ready: Json | None, containers: Sequence[Json]) -> bool:
    """Running, not ready, and it was before."""
    begun = [(one.get("state") or {}).get("running") for one in containers]
    if ready is None or not begun or not all(begun):
        return False
    stopped_s = _time(ready)
    return stopped_s is not None and stopped_s > max(seconds(one["startedAt"]) for one in begun if one) + FLAP_S


def _ordinal(meta: Json) -> int | None:
    labels = meta.get("labels") or {}
    told = labels.get("leaderworkerset.sigs.k8s.io/group-index") or labels.get("apps.kubernetes.io/pod-index")
    if told is None and any(owner["kind"] == "StatefulSet" for owner in meta.get("ownerReferences") or ()):
        told = meta["name"].rpartition("-")[2]
    return int(told) if told is not None and told.isdigit() else None


def _base_url(pod: Json) -> str:
    """Without an address until the pod has one."""
    address = (pod.get("status") or {}).get("podIP", "")
    if not address:
        return ""
    ports = [port for container in pod["spec"].get("containers") or () for port in container.get("ports") or ()]
    named = [port["containerPort"] for port in ports if port.get("name") == "http"]
    port = (named or [port["containerPort"] for port in ports] or [PORT])[0]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _time(condition: Json | None) -> float | None:
    told = (condition or {}).get("lastTransitionTime")
    return seconds(told) if told else None


def _moved(text: str) -> float | None:
    """An annotation that somebody has spoilt is none, and is written again."""
    try:
        return seconds(text)
    except ValueError:
        return None


def _true(condition: Json) -> bool:
    return bool(condition.get("status") == "True")


def _false(condition: Json) -> bool:
    return bool(condition.get("status") == "False")
