"""Events as the API takes them: what we did to a workload, for whoever runs ``kubectl describe``. Pure."""

from __future__ import annotations

from typing import Any

from runtime.kubernetes.spec import TargetSpec
from runtime.kubernetes.times import micro

NOTE_BYTES = 1024
CONTROLLER = "leadtime.dev/daemon"


def event(target: TargetSpec, uid: str, reason: str, note: str, now_s: float, instance: str) -> dict[str, Any]:
    """An Event of events.k8s.io/v1 on the target. All of its fields but the note are required by the server."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{target.name}.{round(now_s * 1e9):x}", "namespace": target.namespace},
        "eventTime": micro(now_s),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": "Scale",
        "reason": reason,
        "type": "Normal",
        "regarding": {
            "apiVersion": target.resource.api_version,
            "kind": target.resource.kind,
            "namespace": target.namespace,
            "name": target.name,
            "uid": uid,
        },
        "note": note.encode()[:NOTE_BYTES].decode(errors="ignore"),
    }
