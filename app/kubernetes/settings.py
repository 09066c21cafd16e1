"""The cluster's part of ``fleet.yaml``: where its workloads are, which of them are pools, and who is the one brain.

Promise: what loads is a fleet that can be started; whether the cluster has what it names is doctor's to say.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from app.section import Section
from runtime.kubernetes.resource import DEPLOYMENTS, LEADER_WORKER_SETS, STATEFUL_SETS, Resource
from runtime.local.spec import Sleep

DNS = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
KNOWN = {(known.api_version, known.kind): known for known in (DEPLOYMENTS, STATEFUL_SETS, LEADER_WORKER_SETS)}


class TargetSettings(Section):
    """A workload that is a pool, by name; those that bear ``leadtime.dev/service`` need not be named."""

    pool: str = Field(min_length=1, description="Pool of a service that this workload is.")
    name: str = Field(pattern=DNS, max_length=253, description="Name of the workload.")
    namespace: str | None = Field(None, pattern=DNS, description="Its namespace; the first of namespaces if absent.")
    kind: str = Field("Deployment", pattern="^[A-Z][A-Za-z0-9]*$", description="Kind of the workload.")
    api_version: str = Field("apps/v1", min_length=1, description="Group and version of that kind.")
    plural: str | None = Field(None, description="Plural of that kind in addresses; lower case and s if absent.")
    warm: str | None = Field(
        None, pattern=DNS, description="Deployment of placeholder pods, each of which keeps a node warm."
    )
    sleep: Sleep | None = Field(None, description="How its engines sleep; as the pool's launch says if absent.")
    served_name: str = Field("", description="Name of the model in requests; the service's if empty.")

    @property
    def resource(self) -> Resource:
        """The kind as the API serves it."""
        known = KNOWN.get((self.api_version, self.kind))
        if known is not None:
            return known
        group, _, version = self.api_version.rpartition("/")
        return Resource(group, version, self.plural or f"{self.kind.lower()}s", self.kind)


class KubernetesSettings(Section):
    """The cluster whose workloads are scaled."""

    namespaces: list[str] = Field(min_length=1, description="a list of namespaces that are watched, and no others")
    targets: list[TargetSettings] = Field(default_factory=list, description="Workloads that are pools, by name.")
    discover: bool = Field(True, description="Workloads with the label leadtime.dev/service are pools too.")
    agent_pools: list[str] = Field(
        default_factory=list,
        description="Pools that live in agent pods (label leadtime.dev/agent); fleet.token_file has the agents' token.",
    )
    kubeconfig: Path | None = Field(
        None, description="File that says where the cluster is; the pod's service account or KUBECONFIG if absent."
    )
    context: str | None = Field(None, description="Context of the kubeconfig; its current one if absent.")
    lease: str | None = Field(
        None, pattern=DNS, description="Lease by which one of several daemons leads; without one each acts by itself."
    )
    lease_namespace: str | None = Field(None, pattern=DNS, description="Its namespace; the daemon's own if absent.")
    gitops: bool = Field(
        False, description="Policies are changed by commits alone: console and CLI show what to commit."
    )
    nodes: bool = Field(False, description="Read nodes for their GPUs, which takes a right for the whole cluster.")
    taint_faulty_nodes: bool = Field(
        False,
        description="Taint nodes whose GPUs have failed, against new pods; takes nodes and the right to patch them.",
    )
    stale_s: float = Field(120.0, ge=15, le=900, description="Nothing is done on a picture older than this, seconds.")
    settle_s: float = Field(
        10.0, ge=0, le=300, description="A pod out of rotation is believed to be empty no sooner, seconds."
    )
    drain_limit_s: float | None = Field(
        None, gt=0, description="Requests still there after so many seconds of draining are cut; never if absent."
    )

    @model_validator(mode="after")
    def watched(self) -> KubernetesSettings:
        """Every target lies where somebody looks, and there is something to scale."""
        for target in self.targets:
            if target.namespace is not None and target.namespace not in self.namespaces:
                raise ValueError(
                    f"target {target.name}: namespace {target.namespace} is not watched; add it to namespaces"
                )
        if self.taint_faulty_nodes and not self.nodes:
            raise ValueError("taint_faulty_nodes is true and nodes is false; give nodes: true")
        if both := [target.pool for target in self.targets if target.pool in self.agent_pools]:
            raise ValueError(f"pool {both[0]} is a target and in agent_pools; take it out of one of them")
        if not self.targets and not self.discover:
            raise ValueError("targets is empty and discover is false; name a workload or give discover: true")
        return self
