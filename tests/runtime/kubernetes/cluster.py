"""A small cluster behind the small API server: controllers, scheduler and kubelets, a step at a time.

``step`` lets time pass and everybody act once: Deployments, StatefulSets and LeaderWorkerSets make and remove pods by
the rules of the real ones (which pod goes first included), pods find a node with free GPUs or wait, start, get ready,
terminate, are lost with their node.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

from runtime.kubernetes.times import seconds, whole
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping

Json = dict[str, Any]
COST = "controller.kubernetes.io/pod-deletion-cost"
LWS = "leaderworkerset.sigs.k8s.io"


class Cluster:
    """``startup_s`` from a pod's binding to Ready, ``stop_s`` from its deletion to its end."""

    def __init__(self, nodes: int = 2, gpus: int = 4) -> None:
        self.clock = Jumping()
        self.server = ApiServer(self.clock)
        self.startup_s, self.stop_s = 60.0, 20.0
        self.serial = 0
        self.lost: set[str] = set()
        for i in range(nodes):
            status = {"capacity": {"nvidia.com/gpu": str(gpus)}, "allocatable": {"nvidia.com/gpu": str(gpus)}}
            ready = [{"type": "Ready", "status": "True"}]
            meta = {"name": f"node-{i}", "labels": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}
            self.server.put(
                "nodes", {"kind": "Node", "metadata": meta, "spec": {}, "status": {**status, "conditions": ready}}
            )

    # --- what tests set up ---------------------------------------------------------------------------------------

    def workload(self, name: str, replicas: int, plural: str = "deployments", gpus: int = 2, **notes: str) -> Json:
        """A Deployment, StatefulSet or LeaderWorkerSet, its pods bearing the rotation label."""
        kind = {"deployments": "Deployment", "statefulsets": "StatefulSet", "leaderworkersets": "LeaderWorkerSet"}[
            plural
        ]
        template = {
            "labels": {"app": name, "leadtime.dev/rotation": "in"},
            "gpus": gpus,
            "priority": notes.pop("priority", "0"),
        }
        spec: Json = {"replicas": replicas, "mock": template, "revision": 1}
        if plural == "leaderworkersets":
            spec["leaderWorkerTemplate"] = {"size": 2}
        else:
            spec["selector"] = {"matchLabels": {"app": name}}
        meta = {"name": name, "namespace": "llm", "labels": notes}
        return self.server.put(plural, {"kind": kind, "metadata": meta, "spec": spec, "status": {"replicas": 0}})

    def roll(self, name: str) -> None:
        """Begin a rolling update."""
        obj = copy.deepcopy(self.server.get("deployments", name))
        obj["spec"]["revision"] += 1
        self.server.put("deployments", obj)

    def lose(self, node: str) -> None:
        """A node stops answering."""
        self.lost.add(node)
        for pod in self.pods():
            if pod["spec"].get("nodeName") == node:
                _condition(pod, "Ready", "False", self.clock.now_s)
                self.server.put("pods", pod)

    def budget(self, name: str, app: str, allowed: int) -> None:
        spec = {"selector": {"matchLabels": {"app": app}}}
        meta = {"name": name, "namespace": "llm"}
        status = {"disruptionsAllowed": allowed}
        self.server.put(
            "poddisruptionbudgets", {"kind": "PodDisruptionBudget", "metadata": meta, "spec": spec, "status": status}
        )

    def autoscaler(self, name: str, kind: str = "Deployment") -> None:
        spec = {"scaleTargetRef": {"kind": kind, "name": name, "apiVersion": "apps/v1"}}
        meta = {"name": "hpa", "namespace": "llm"}
        self.server.put("horizontalpodautoscalers", {"metadata": meta, "spec": spec})

    # --- what tests ask ------------------------------------------------------------------------------------------

    def pods(self, app: str | None = None) -> list[Json]:
        found = [copy.deepcopy(pod) for pod in self.server.all("pods")]
        return [pod for pod in found if app is None or pod["metadata"]["labels"]["app"] == app]

    def serving(self, app: str) -> list[str]:
        """What a Service with our selector would route to."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods(app)
            if _is(pod, "Ready")
            and pod["metadata"]["labels"]["leadtime.dev/rotation"] == "in"
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def replicas(self, name: str, plural: str = "deployments") -> int:
        return self.server.get(plural, name)["spec"].get("replicas", 0)

    # --- time ----------------------------------------------------------------------------------------------------

    def step(self, seconds_: float = 5.0) -> None:
        self.clock.now_s += seconds_
        self._kubelets()
        for plural in ("deployments", "statefulsets", "leaderworkersets"):
            for obj in self.server.all(plural):
                if plural == "deployments":
                    self._deployment(copy.deepcopy(obj))
                else:
                    self._numbered(copy.deepcopy(obj), plural)
        self._schedule()

    def _active(self, app: str) -> list[Json]:
        return [pod for pod in self.pods(app) if "deletionTimestamp" not in pod["metadata"]]

    def _deployment(self, obj: Json) -> None:
        name, wanted, revision = obj["metadata"]["name"], obj["spec"].get("replicas", 0), str(obj["spec"]["revision"])
        here = self._active(name)
        old = [pod for pod in here if pod["metadata"]["labels"]["pod-template-hash"] != revision]
        new = [pod for pod in here if pod not in old]
        if old:
            if len(here) < wanted + 1:
                self._make(obj, revision)
            elif len([pod for pod in here if _is(pod, "Ready")]) > wanted or wanted < len(here) - 1:
                self.server.terminate(sorted(old, key=_first_to_go)[0])
            return
        for _ in range(wanted - len(new)):
            self._make(obj, revision)
        for pod in sorted(new, key=_first_to_go)[: max(0, len(new) - wanted)]:
            self.server.terminate(self.server.get("pods", pod["metadata"]["name"]))

    def _numbered(self, obj: Json, plural: str) -> None:
        name, wanted = obj["metadata"]["name"], obj["spec"].get("replicas", 0)
        size = obj["spec"].get("leaderWorkerTemplate", {}).get("size", 1)
        there = {pod["metadata"]["name"] for pod in self.pods(name)}
        for number in range(wanted):
            for worker in range(size):
                pod = f"{name}-{number}" + (f"-{worker}" if worker else "")
                if pod not in there:
                    labels = {
                        f"{LWS}/name": name,
                        f"{LWS}/group-index": str(number),
                        f"{LWS}/worker-index": str(worker),
                    }
                    self._make(obj, "", pod, labels if plural == "leaderworkersets" else {}, owner="StatefulSet")
        for pod in self._active(name):
            number = int(pod["metadata"]["name"].removeprefix(f"{name}-").split("-")[0])
            if number >= wanted:
                self.server.terminate(self.server.get("pods", pod["metadata"]["name"]))

    def _make(
        self, obj: Json, revision: str, name: str = "", labels: Json | None = None, owner: str = "ReplicaSet"
    ) -> None:
        self.serial += 1
        mock = obj["spec"]["mock"]
        told = {**mock["labels"], **(labels or {}), **({"pod-template-hash": revision} if revision else {})}
        meta = {
            "name": name or f"{obj['metadata']['name']}-{self.serial}",
            "namespace": "llm",
            "labels": told,
            "annotations": {},
            "ownerReferences": [{"kind": owner, "name": obj["metadata"]["name"], "uid": "u"}],
        }
        limits = {"nvidia.com/gpu": str(mock["gpus"])}
        ports = [{"name": "http", "containerPort": 8000}]
        spec = {
            "containers": [{"name": "vllm", "ports": ports, "resources": {"limits": limits}}],
            "priority": int(mock["priority"]),
        }
        self.server.put("pods", {"kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Pending"}})

    def _schedule(self) -> None:
        used: Counter[str] = Counter()
        for pod in self.pods():
            used[pod["spec"].get("nodeName", "")] += _gpus(pod)
        waiting = [pod for pod in self.pods() if not pod["spec"].get("nodeName")]
        for pod in sorted(waiting, key=lambda pod: -pod["spec"]["priority"]):
            node = self._fitting(pod, used)
            if node is None:
                message = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
                if not _condition(pod, "PodScheduled", "False", self.clock.now_s, "Unschedulable", message):
                    continue
            else:
                used[node] += _gpus(pod)
                pod["spec"]["nodeName"] = node
                pod["status"]["podIP"] = f"10.0.0.{int(pod['metadata']['resourceVersion']) % 250}"
                _condition(pod, "PodScheduled", "True", self.clock.now_s)
            self.server.put("pods", pod)

    def _fitting(self, pod: Json, used: Counter[str]) -> str | None:
        for node in self.server.all("nodes"):
            name, status = node["metadata"]["name"], node["status"]
            room = int(status["allocatable"]["nvidia.com/gpu"]) - used[name]
            if name in self.lost or node["spec"].get("unschedulable") or node["spec"].get("taints"):
                continue
            lower = [
                p
                for p in self.pods()
                if p["spec"].get("nodeName") == name and p["spec"]["priority"] < pod["spec"]["priority"]
            ]
            if room + sum(map(_gpus, lower)) < _gpus(pod):
                continue
            while room < _gpus(pod):
                gone = lower.pop()
                self.server.remove("pods", gone)
                room, used[name] = room + _gpus(gone), used[name] - _gpus(gone)
            return name
        return None

    def _kubelets(self) -> None:
        now_s = self.clock.now_s
        for pod in self.pods():
            meta, node = pod["metadata"], pod["spec"].get("nodeName")
            if not node or node in self.lost:
                continue
            if end := meta.get("deletionTimestamp"):
                if now_s >= seconds(end) - 30 + self.stop_s:
                    self.server.remove("pods", pod)
                continue
            bound = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
            age_s = now_s - seconds(bound["lastTransitionTime"])
            if pod["status"]["phase"] == "Pending":
                running = {"running": {"startedAt": whole(now_s)}}
                statuses = [{"name": "vllm", "state": running, "ready": False, "restartCount": 0}]
                pod["status"].update(phase="Running", containerStatuses=statuses)
                _condition(pod, "Ready", "False", now_s, "ContainersNotReady")
                self.server.put("pods", pod)
            elif age_s >= self.startup_s and not _is(pod, "Ready") and "stuck" not in meta["annotations"]:
                _condition(pod, "Ready", "True", now_s)
                self.server.put("pods", pod)


def _first_to_go(pod: Json) -> tuple[Any, ...]:
    cost = int(pod["metadata"].get("annotations", {}).get(COST, "0"))
    running = pod["status"]["phase"] == "Running"
    return bool(pod["spec"].get("nodeName")), running, _is(pod, "Ready"), cost, -int(pod["metadata"]["resourceVersion"])


def _gpus(pod: Json) -> int:
    return int(pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])


def _is(pod: Json, kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def _condition(pod: Json, kind: str, status: str, now_s: float, reason: str = "", message: str = "") -> bool:
    """Set it; whether it changed. A lost node's pods get no reason, and stay ContainersReady."""
    conditions = pod["status"].setdefault("conditions", [])
    known = next((c for c in conditions if c["type"] == kind), None)
    if known is not None and known["status"] == status and known.get("message", "") == message:
        return False
    conditions[:] = [
        c for c in conditions if c["type"] not in (kind, *(["ContainersReady"] if kind == "Ready" else []))
    ]
    at = whole(now_s)
    told = {"type": kind, "status": status, "lastTransitionTime": at}
    conditions.append({**told, **({"reason": reason, "message": message} if reason else {})})
    if kind == "Ready":
        inside = "True" if not reason else status
        conditions.append({"type": "ContainersReady", "status": inside, "lastTransitionTime": at})
    return True
