"""Placeholder pods: each keeps a node with room for one replica, and the engine's image on it, until it is needed.

They ask for what a replica asks for, at a priority below everything else, so that the scheduler evicts one the moment a
replica needs its place, and a cluster autoscaler keeps the node meanwhile. They cost what a replica costs: the fleet
sets their number. Weights are there only if they are on the node itself (``--weights host:/FOLDER``).
"""

from __future__ import annotations

from typing import Any

from app.manifests.engine import Engine
from app.manifests.pod import NAME_LABEL, template

PRIORITY = "leadtime-placeholder"

Document = dict[str, Any]


def name(engine: Engine) -> str:
    """Of the Deployment."""
    return f"{engine.name}-warm"


def priority_class() -> Document:
    """One for the cluster: below every pod that does not say otherwise, and never evicting anybody."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": PRIORITY},
        "value": -10,
        "globalDefault": False,
        "preemptionPolicy": "Never",
        "description": "Leadtime's placeholder pods: any other pod takes their place.",
    }


def deployment(engine: Engine) -> Document:
    """None to begin with; an apply sets that again, and the fleet mends it at its next look."""
    labels = {NAME_LABEL: name(engine)}
    pod = template(engine)["spec"]
    (container,) = pod["containers"]
    placeholder = {
        "name": "placeholder",
        "image": container["image"],
        "command": ["sleep", "infinity"],
        "resources": container["resources"],
        "securityContext": container["securityContext"],
    }
    kept = ("automountServiceAccountToken", "enableServiceLinks", "securityContext", "tolerations", "nodeSelector")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name(engine), "namespace": engine.namespace, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    **{key: pod[key] for key in kept if key in pod},
                    "priorityClassName": PRIORITY,
                    "terminationGracePeriodSeconds": 0,
                    "containers": [placeholder],
                },
            },
        },
    }
