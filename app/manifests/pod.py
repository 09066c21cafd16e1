"""The pod that runs one vLLM engine, or one node of it.

Every setting here is one that bites when it is missing: shared memory for tensor parallelism, probes that wait for a
long start, a drain before the end, caches that outlive the pod, and no environment of Kubernetes' own making: a Service
named ``vllm`` would set ``VLLM_PORT`` to an address, at which vLLM refuses to start.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from app.manifests.engine import LEAVE_S, Engine, Volume
from runtime.kubernetes.names import (
    POOL_LABEL,
    PROMETHEUS_PORT,
    ROTATION_IN,
    ROTATION_LABEL,
    SERVICE_LABEL,
)

NAME_LABEL = "app.kubernetes.io/name"
WEIGHTS, CACHE, SHM, TMP = "/weights", "/cache", "/dev/shm", "/tmp"
USER = 1000
STARTUP_S, READINESS_S, LIVENESS_S = 5, 5, 15
"""Time between two probes, seconds."""

LEADER = ("--node-rank", "0", "--master-addr", "$(LWS_LEADER_ADDRESS)")
WORKER = ("--headless", "--node-rank", "$(LWS_WORKER_INDEX)", "--master-addr", "$(LWS_LEADER_ADDRESS)")
"""What LeaderWorkerSet tells each pod of a group, as arguments."""

FOLLOW = """\
import os, socket, time
try:
    while True:
        socket.create_connection((os.environ["LWS_LEADER_ADDRESS"], {port}), 5).close()
        time.sleep(1)
except OSError:
    pass
"""

Document = dict[str, Any]


def template(engine: Engine, worker: bool = False) -> Document:
    """The pod template; of a worker, which serves nothing itself, without ports, probes and rotation."""
    labels = {NAME_LABEL: engine.name, SERVICE_LABEL: engine.service, POOL_LABEL: engine.pool_name}
    spec: Document = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": engine.grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [{"key": engine.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}],
        "topologySpreadConstraints": [_spread(engine, key) for key in ("topology.kubernetes.io/zone", HOST)],
        "containers": [_container(engine, worker)],
        "volumes": [
            _volume("weights", engine.weights),
            _volume("cache", engine.cache),
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{engine.shm_gib}Gi"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if engine.gpu_product:
        spec["nodeSelector"] = {"nvidia.com/gpu.product": engine.gpu_product}
    if not worker:
        labels |= {ROTATION_LABEL: ROTATION_IN}
    return {"metadata": {"labels": labels}, "spec": spec}


HOST = "kubernetes.io/hostname"


def _spread(engine: Engine, key: str) -> Document:
    """Apart where possible; a replica on a crowded node is better than none."""
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {NAME_LABEL: engine.name}},
    }


def _container(engine: Engine, worker: bool) -> Document:
    gpus, memory = {engine.gpu_resource: str(engine.gpus_per_node)}, f"{engine.memory_gib_per_pod}Gi"
    made: Document = {
        "name": "vllm",
        "image": engine.image,
        "command": ["vllm", "serve", engine.model],
        "args": list(_arguments(engine, worker)),
        "env": _environment(engine),
        "resources": {
            "requests": {"cpu": str(engine.cpus_per_pod), "memory": memory, **gpus},
            "limits": {"memory": memory, **gpus},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": name, "mountPath": path}
            for name, path in (("weights", WEIGHTS), ("cache", CACHE), ("shm", SHM), ("tmp", TMP))
        ],
    }
    return made | (_following(engine) if worker else _serving(engine))


def _serving(engine: Engine) -> Document:
    """Port, probes and drain. ``/health`` is 503 once the engine is dead, and 200 while it sleeps."""
    health = {"httpGet": {"path": "/health", "port": PROMETHEUS_PORT}}
    return {
        "ports": [{"name": PROMETHEUS_PORT, "containerPort": engine.port}],
        "startupProbe": {
            **health,
            "periodSeconds": STARTUP_S,
            "timeoutSeconds": 3,
            "failureThreshold": ceil(engine.start_s / STARTUP_S),
        },
        "readinessProbe": {**health, "periodSeconds": READINESS_S, "timeoutSeconds": 3, "failureThreshold": 2},
        "livenessProbe": {**health, "periodSeconds": LIVENESS_S, "timeoutSeconds": 10, "failureThreshold": 4},
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_S}}},
    }


def _following(engine: Engine) -> Document:
    """A worker computes its leader's requests, so it ends after it: whose port is open until the last is answered."""
    return {"lifecycle": {"preStop": {"exec": {"command": ["python3", "-c", FOLLOW.format(port=engine.port)]}}}}


def _arguments(engine: Engine, worker: bool) -> tuple[str, ...]:
    several = ("--pipeline-parallel-size", str(engine.nodes), "--nnodes", str(engine.nodes))
    return (
        *("--served-model-name", engine.service),
        *("--host", "0.0.0.0", "--port", str(engine.port)),
        *("--tensor-parallel-size", str(engine.gpus_per_node)),
        *((*several, *(WORKER if worker else LEADER)) if engine.nodes > 1 else ()),
        *("--shutdown-timeout", str(round(engine.drain_s))),
        *(("--enable-sleep-mode",) if engine.sleep else ()),
        *engine.args,
    )


def _environment(engine: Engine) -> list[Document]:
    plain = {
        "HOME": f"{CACHE}/home",
        "USER": "vllm",  # torch asks for the user's name, and the image knows no user of this number
        "XDG_CACHE_HOME": CACHE,
        "VLLM_CACHE_ROOT": f"{CACHE}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{CACHE}/inductor",
        "TRITON_CACHE_DIR": f"{CACHE}/triton",
        "HF_HOME": WEIGHTS,
        "NCCL_DEBUG": "WARN",
    }
    if engine.nodes > 1:
        plain |= {"NCCL_SOCKET_IFNAME": "^lo,docker", "GLOO_SOCKET_IFNAME": "eth0"}
    if engine.sleep:
        plain["VLLM_SERVER_DEV_MODE"] = "1"  # sleep and wake are among its development endpoints
    made: list[Document] = [{"name": name, "value": value} for name, value in (plain | dict(engine.env)).items()]
    if engine.nodes > 1:
        made.append({"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    if engine.token_secret:
        secret = {"name": engine.token_secret, "key": "token"}
        made.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": secret}})
    return made


def _volume(name: str, volume: Volume) -> Document:
    if volume.claim:
        return {"name": name, "persistentVolumeClaim": {"claimName": volume.claim}}
    if volume.host_path:
        return {"name": name, "hostPath": {"path": volume.host_path, "type": "Directory"}}
    return {"name": name, "emptyDir": {}}
