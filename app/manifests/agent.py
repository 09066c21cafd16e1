"""Pods that own GPUs and run ``leadtime agent``: where models share them, one awake and the others asleep.

Promise: the agents' fleet file is made from the daemon's own, so that both mean the same pools; a pod has no account in
the cluster, answers nobody without the token of a Secret, and is empty before it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from app.manifests.engine import AFTER_DRAIN_S, LEAVE_S, Engine
from app.manifests.pod import NAME_LABEL, template
from app.manifests.yamlout import document
from runtime.kubernetes.names import AGENT_LABEL, AGENT_PORT, ANNOTATIONS

SECRET = "leadtime-agent"
"""The Secret with the key ``token``, which daemon and router know as well."""

FILE = "/etc/leadtime/fleet.yaml"
TOKEN = "/etc/leadtime-agent/token"
CERTIFICATE = "/etc/leadtime-agent-tls"
"""Where a Secret of type kubernetes.io/tls is mounted, whose keys are its files."""

HOME = "/var/lib/leadtime"
PORT = 8900
ENGINE_PORTS = (8910, 8999)
CHECKSUM = f"{ANNOTATIONS}config"
FIRST_S = 120
"""Longest start of an agent, which starts no engine until it is told to."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgentPods:
    """``pod`` is what each of them is given: GPUs, memory, volumes, image. ``config`` is their ``fleet.yaml``, which
    says HTTPS where there is a ``tls_secret``.
    """

    pod: Engine
    config: Document
    secret: str = SECRET
    tls_secret: str | None = None

    @property
    def grace_s(self) -> int:
        """How long a pod may take to go, seconds."""
        return round(LEAVE_S + self.pod.drain_s + AFTER_DRAIN_S)


def documents(agents: AgentPods) -> list[Document]:
    """All that they need but the Secret, which is no file's business."""
    return [config_map(agents), stateful_set(agents), service(agents), budget(agents)]


def config_map(agents: AgentPods) -> Document:
    """What the agents run."""
    data = {"fleet.yaml": document(agents.config)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(agents), "data": data}


def stateful_set(agents: AgentPods) -> Document:
    """Their names stay from one pod to the next, and name their replicas."""
    labels = {NAME_LABEL: agents.pod.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(agents),
        "spec": {
            "replicas": 1 if agents.pod.replicas is None else agents.pod.replicas,
            "serviceName": agents.pod.name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                # A changed file is another template: agents read it at their start.
                "metadata": {"labels": labels | {AGENT_LABEL: "in"}, "annotations": {CHECKSUM: _checksum(agents)}},
                "spec": _spec(agents),
            },
        },
    }


def service(agents: AgentPods) -> Document:
    """The names that a StatefulSet asks for; nobody is sent anywhere by it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(agents),
        "spec": {
            "clusterIP": "None",
            "selector": {NAME_LABEL: agents.pod.name},
            "ports": [{"name": AGENT_PORT, "port": PORT, "targetPort": AGENT_PORT}],
        },
    }


def budget(agents: AgentPods) -> Document:
    """Evictions take one machine at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(agents),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {NAME_LABEL: agents.pod.name}},
        },
    }


def _spec(agents: AgentPods) -> Document:
    """The pod of an engine, with the agent in the engine's place."""
    spec: Document = template(replace(agents.pod, args=()))["spec"]
    (engine,) = spec["containers"]
    own = _files(agents)
    container = {
        "name": "agent",
        **{key: engine[key] for key in ("image", "resources", "securityContext")},
        **_agent(tls=agents.tls_secret is not None),
        "env": [*engine["env"], _of_pod("POD_NAME", "metadata.name"), _of_pod("POD_IP", "status.podIP")],
        "volumeMounts": [
            *engine["volumeMounts"],
            {"name": "home", "mountPath": HOME},
            *({"name": name, "mountPath": folder, "readOnly": True} for name, folder, _ in own),
        ],
    }
    return {
        **spec,
        # Else the agent is process 1, which has to bury what an engine that died leaves behind.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": agents.grace_s,
        "containers": [container],
        "volumes": [
            *spec["volumes"],
            {"name": "home", "emptyDir": {}},  # each its own: one agent at a time runs in a home
            *({"name": name, **source} for name, _, source in own),
        ],
    }


def _files(agents: AgentPods) -> list[tuple[str, str, Document]]:
    """What it only reads: name, folder and source of each volume. Without subPath, so that a changed Secret arrives."""
    found: list[tuple[str, str, Document]] = [
        ("config", "/etc/leadtime", {"configMap": {"name": agents.pod.name}}),
        ("token", "/etc/leadtime-agent", {"secret": {"secretName": agents.secret, "defaultMode": 0o440}}),
    ]
    if agents.tls_secret is not None:
        found.append(("tls", CERTIFICATE, {"secret": {"secretName": agents.tls_secret, "defaultMode": 0o440}}))
    return found


def _agent(tls: bool) -> Document:
    """Command, ports, probes and drain. ``/healthz`` alone needs no token; kubelets believe every certificate."""
    health = {"httpGet": {"path": "/healthz", "port": AGENT_PORT} | ({"scheme": "HTTPS"} if tls else {})}
    run = ["leadtime", "agent", "--config", FILE]
    return {
        "command": run,
        "args": ["--node", "$(POD_NAME)", "--address", "$(POD_IP)"],
        "ports": [{"name": AGENT_PORT, "containerPort": PORT}],
        "startupProbe": {**health, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": FIRST_S // 2},
        "readinessProbe": {**health, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2},
        "livenessProbe": {**health, "periodSeconds": 15, "timeoutSeconds": 10, "failureThreshold": 4},
        "lifecycle": {"preStop": {"exec": {"command": [*run, "--leave"]}}},
    }


def _checksum(agents: AgentPods) -> str:
    return sha256(document(agents.config).encode()).hexdigest()[:16]


def _of_pod(name: str, path: str) -> Document:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _metadata(agents: AgentPods) -> Document:
    return {"name": agents.pod.name, "namespace": agents.pod.namespace, "labels": {NAME_LABEL: agents.pod.name}}
