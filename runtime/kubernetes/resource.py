"""Which resource of the API a call is about, and its address. The rest of the package never builds a path by hand."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API serves it: group ("" for the core), version, plural name, kind."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """As ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def at(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> Place:
        """All of them, those of a namespace, one, or one's subresource."""
        return Place(self, namespace, name, sub)


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be read or written."""

    resource: Resource
    namespace: str | None = None
    name: str | None = None
    sub: str | None = None

    @property
    def path(self) -> str:
        """The path of its URL."""
        of = self.resource
        parts = [f"apis/{of.group}" if of.group else "api", of.version]
        if self.namespace is not None:
            parts += ["namespaces", quote(self.namespace, safe="")]
        parts.append(of.plural)
        parts += [quote(part, safe="") for part in (self.name, self.sub) if part is not None]
        return "/" + "/".join(parts)

    @property
    def label(self) -> str:
        """For counters and messages: ``deployments/scale``."""
        return f"{self.resource.plural}/{self.sub}" if self.sub else self.resource.plural


PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
NODES = Resource("", "v1", "nodes", "Node")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
LEADER_WORKER_SETS = Resource("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
