"""What a Kubernetes fleet is told: which workloads are pools, and its bounds.

Everything here is checked when it is made: a mistake is one line that names the field and what would be right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.kubernetes.plan import Rules
from runtime.kubernetes.resource import DEPLOYMENTS, LEADER_WORKER_SETS, STATEFUL_SETS, Place, Resource
from runtime.local.spec import Sleep

WATCHED = (DEPLOYMENTS, STATEFUL_SETS, LEADER_WORKER_SETS)
"""Whose count is where we know; of any other resource only the scale is read, at every look."""

BY_NUMBER = (STATEFUL_SETS, LEADER_WORKER_SETS)
"""Whose pods are numbered, the highest of which go first."""


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One pool: a workload with ``scale``. ``served_name`` is the model's name in requests (default: the service's).

    ``warm`` names a Deployment of placeholder pods in the same namespace, of a priority below the workload's: each
    keeps a node with room for one replica, until a real pod preempts it. ``sleep`` is how its engines sleep.
    """

    service: str
    pool: str
    namespace: str
    name: str
    resource: Resource = DEPLOYMENTS
    warm: str | None = None
    sleep: Sleep = Sleep.NONE
    served_name: str = ""

    def __post_init__(self) -> None:
        for name in ("service", "pool", "namespace", "name"):
            if not getattr(self, name):
                raise ValueError(f"target {self.namespace}/{self.name}: {name} is empty; name one")

    @property
    def place(self) -> Place:
        """The workload itself."""
        return self.resource.at(self.namespace, self.name)

    @property
    def scale(self) -> Place:
        """Its scale subresource."""
        return self.resource.at(self.namespace, self.name, "scale")

    @property
    def key(self) -> tuple[str, str]:
        """Service and pool."""
        return self.service, self.pool


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """Targets by name, and namespaces in which workloads that bear ``leadtime.dev/service`` are targets too.

    Every ``look_s`` the fleet looks after its targets; it does nothing while its picture is older than ``stale_s``. At
    the start it waits ``first_s`` for the first picture. ``drain_s`` after which a drain is reported as long.
    ``agent_pools``, by service and pool, live in agent pods of these namespaces, whatever workloads say; with
    ``agent_tls`` these are asked by HTTPS alone.
    """

    targets: tuple[TargetSpec, ...] = ()
    discover: tuple[str, ...] = ()
    agent_pools: tuple[tuple[str, str], ...] = ()
    agent_tls: bool = False
    rules: Rules = field(default_factory=Rules)
    look_s: float = 5.0
    stale_s: float = 120.0
    first_s: float = 30.0
    drain_s: float = 300.0
    metrics_s: float = 5.0
    wake_s: float = 300.0
    nodes: bool = True
    instance: str = "leadtime-0"

    def __post_init__(self) -> None:
        keys = [target.key for target in self.targets]
        if twice := {f"{service} {pool}" for service, pool in keys if keys.count((service, pool)) > 1}:
            raise ValueError(f"targets: {', '.join(sorted(twice))} is there twice; one pool is one workload")
        if both := sorted({target.pool for target in self.targets if target.key in self.agent_pools}):
            raise ValueError(f"targets: {both[0]} lives in agent pods; take it out of one of them")
        places = [target.place for target in self.targets]
        if shared := {place.path for place in places if places.count(place) > 1}:
            raise ValueError(f"targets: {', '.join(sorted(shared))} is named by two pools; give each its own")
        if not self.targets and not self.discover:
            raise ValueError("targets and discover are both empty; name a workload or a namespace")
        if self.stale_s <= self.look_s:
            raise ValueError(f"stale_s {self.stale_s:g} must be above look_s, {self.look_s:g}")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that are watched."""
        return tuple(sorted({*self.discover, *(target.namespace for target in self.targets)}))
