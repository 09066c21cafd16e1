"""The count of a workload, read and written through its scale subresource alone, whatever kind of workload it is.

A count is written only on top of the count that was decided upon: another writer in between means deciding again.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.kubernetes import marks, selectors
from runtime.kubernetes.client import Api, Json
from runtime.kubernetes.errors import Conflict
from runtime.kubernetes.resource import LEADER_WORKER_SETS, Place, Resource
from runtime.kubernetes.spec import TargetSpec

TRIES = 5
"""Each lost to a write of something else, such as a status, in the milliseconds since the read."""


class Changed(Exception):
    """Somebody else has set the count since it was decided upon."""


@dataclass(frozen=True, slots=True)
class Scale:
    """``replicas`` asked for, and the ``selector`` of the pods, which is empty until its controller has said it."""

    uid: str
    version: int
    replicas: int
    selector: str


async def read(api: Api, place: Place) -> Scale:
    """From ``place``'s scale subresource. Raises KubeError."""
    return _scale(await api.get(place))


async def write(api: Api, place: Place, expected: int, wanted: int) -> tuple[Scale, bool]:
    """Set the count from ``expected`` to ``wanted``; gives the scale and whether anything was written.

    Raises ``Changed`` where it is neither, KubeError.
    """
    for _ in range(TRIES):
        found = await read(api, place)
        if found.replicas == wanted:
            return found, False
        if found.replicas != expected:
            raise Changed(f"{place.path}: {found.replicas} replicas, decided upon {expected}")
        body = {"metadata": {"resourceVersion": str(found.version)}, "spec": {"replicas": wanted}}
        try:
            return _scale(await api.merge(place, body)), True
        except Conflict as error:
            last = error
    raise last


def of_workload(obj: Json, resource: Resource) -> Scale:
    """The same from a watched Deployment, StatefulSet or LeaderWorkerSet, without asking."""
    meta, spec = obj["metadata"], obj["spec"]
    if resource == LEADER_WORKER_SETS:
        selector = f"{LWS}/name={meta['name']},{LWS}/worker-index=0"
    else:
        selector = selectors.of_object(spec["selector"])
    return Scale(meta["uid"], int(meta["resourceVersion"]), int(spec.get("replicas", 1)), selector)


LWS = "leaderworkerset.sigs.k8s.io"


def found(obj: Json, resource: Resource) -> TargetSpec | None:
    """The target that a workload says it is by label or annotation; its pool is its name unless it says another."""
    meta = obj["metadata"]
    told = {**(meta.get("annotations") or {}), **(meta.get("labels") or {})}
    if not told.get(marks.SERVICE):
        return None
    pool = told.get(marks.POOL) or meta["name"]
    return TargetSpec(told[marks.SERVICE], pool, meta["namespace"], meta["name"], resource, told.get(marks.WARM))


def _scale(said: Json) -> Scale:
    """Zero replicas are not there: the field is missing."""
    meta, status = said["metadata"], said.get("status") or {}
    replicas = (said.get("spec") or {}).get("replicas", 0)
    return Scale(meta["uid"], int(meta["resourceVersion"]), int(replicas), status.get("selector", ""))
