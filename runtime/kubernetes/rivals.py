"""Who else scales a workload. Two controllers of one count undo each other, so a target with a rival is refused. Pure.

Nothing on a Deployment tells of a HorizontalPodAutoscaler: only comparing every autoscaler's reference does.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.kubernetes.client import Json
from runtime.kubernetes.plan import Hold
from runtime.kubernetes.spec import TargetSpec


def rival(target: TargetSpec, autoscalers: Iterable[Json], scaled_objects: Iterable[Json]) -> Hold | None:
    """The one that scales this target, as the reason to refuse it."""
    for kind, found in (("HorizontalPodAutoscaler", autoscalers), ("ScaledObject", scaled_objects)):
        for one in found:
            meta = one["metadata"]
            if meta["namespace"] == target.namespace and _refers(one["spec"].get("scaleTargetRef") or {}, target):
                remedy = "delete it or take the target out of Leadtime"
                return Hold(f"ScaledBy{kind}", f"{kind} {meta['namespace']}/{meta['name']} scales it too; {remedy}")
    return None


def _refers(reference: Json, target: TargetSpec) -> bool:
    """Versions of one group are the same objects. A ScaledObject leaves out what is usual: a Deployment."""
    group = reference.get("apiVersion", "apps/v1").rpartition("/")[0]
    kind = reference.get("kind", "Deployment")
    return (group, kind, reference.get("name")) == (target.resource.group, target.resource.kind, target.name)
