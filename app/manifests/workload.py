"""What runs a pool: a Deployment, or a LeaderWorkerSet where a replica spans nodes; its Service, budget and policy.

No document carries a number of replicas unless one was asked for: whoever applies it again would undo what the
autoscaler did meanwhile.
"""

from __future__ import annotations

from typing import Any

from app.manifests import warm
from app.manifests.engine import Engine
from app.manifests.pod import NAME_LABEL, template
from autoscaler.policy import Policy
from runtime.kubernetes.names import (
    POLICY_GROUP,
    POLICY_KIND,
    POLICY_VERSION,
    POOL_LABEL,
    PROMETHEUS_PORT,
    ROTATION_IN,
    ROTATION_LABEL,
    SERVICE_LABEL,
    WARM_LABEL,
)

LWS = "leaderworkerset.x-k8s.io/v1"

Document = dict[str, Any]


def documents(engine: Engine, policy: Policy | None = None) -> list[Document]:
    """All that the pool needs, in the order in which it is applied; with a policy, that too."""
    made = [workload(engine), service(engine), budget(engine)]
    made += [warm.priority_class(), warm.deployment(engine)] if engine.warm else []
    return made if policy is None else [*made, scaling_policy(engine, policy)]


def workload(engine: Engine) -> Document:
    """The one document whose replicas are scaled."""
    return deployment(engine) if engine.nodes == 1 else leader_worker_set(engine)


def deployment(engine: Engine) -> Document:
    """Replicas of one pod each; a new one is ready before an old one goes."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(engine),
        "spec": {
            **_replicas(engine),
            "selector": {"matchLabels": {NAME_LABEL: engine.name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            # A start that is still a start is no failed rollout.
            "progressDeadlineSeconds": round(engine.start_s) + 600,
            "template": template(engine),
        },
    }


def leader_worker_set(engine: Engine) -> Document:
    """Replicas of several pods each, which start and end together; the leaders serve."""
    return {
        "apiVersion": LWS,
        "kind": "LeaderWorkerSet",
        "metadata": _metadata(engine),
        "spec": {
            **_replicas(engine),
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "leaderWorkerTemplate": {
                "size": engine.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": template(engine),
                "workerTemplate": template(engine, worker=True),
            },
        },
    }


def service(engine: Engine) -> Document:
    """The address of the pods that are in rotation."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(engine),
        "spec": {
            "selector": {NAME_LABEL: engine.name, ROTATION_LABEL: ROTATION_IN},
            "ports": [{"name": PROMETHEUS_PORT, "port": engine.port, "targetPort": PROMETHEUS_PORT}],
        },
    }


def budget(engine: Engine) -> Document:
    """Evictions take one replica at a time; what does not serve yet may always go."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(engine),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {NAME_LABEL: engine.name}},
        },
    }


def scaling_policy(engine: Engine, policy: Policy) -> Document:
    """The policy of the service with this pool as its target; what is as by default is left out."""
    target = workload(engine)
    ref = {"apiVersion": target["apiVersion"], "kind": target["kind"], "name": engine.name, "pool": engine.pool_name}
    said = policy.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return {
        "apiVersion": f"{POLICY_GROUP}/{POLICY_VERSION}",
        "kind": POLICY_KIND,
        "metadata": {"name": engine.name, "namespace": engine.namespace},
        "spec": {
            **({} if engine.service == engine.name else {"service": engine.service}),
            "targetRef": ref,
            "policy": {"mode": policy.mode.value} | said,
        },
    }


def _metadata(engine: Engine) -> Document:
    labels = {NAME_LABEL: engine.name, SERVICE_LABEL: engine.service, POOL_LABEL: engine.pool_name}
    labels |= {WARM_LABEL: warm.name(engine)} if engine.warm else {}
    return {"name": engine.name, "namespace": engine.namespace, "labels": labels}


def _replicas(engine: Engine) -> Document:
    return {} if engine.replicas is None else {"replicas": engine.replicas}
