"""The resource ``ScalingPolicy``: a policy, what it scales, and how that stands.

``spec.policy`` is the policy itself, field for field as in ``fleet.yaml`` and the API, so that one can be pasted into
the other. Everything around it is spelt as Kubernetes spells: camel case, and the well-known ``conditions``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from autoscaler.policy import Policy
from runtime.kubernetes.names import POLICY_GROUP, POLICY_KIND, POLICY_VERSION

UNSCALABLE = ("Pod", "DaemonSet", "Job", "CronJob")
"""Kinds that people try and that have no ``scale`` subresource."""

DNS = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
SERVICE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Part(BaseModel):
    """Base of what is spelt as Kubernetes spells."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class TargetRef(Part):
    """A workload whose replicas are scaled: anything with a scale subresource, in the policy's own namespace."""

    api_version: str = Field("apps/v1", min_length=1, max_length=128, description="Group and version of the workload.")
    kind: str = Field(
        pattern="^[A-Z][A-Za-z0-9]*$",
        max_length=63,
        description="Deployment, StatefulSet, LeaderWorkerSet, or another.",
    )
    name: str = Field(pattern=DNS, min_length=1, max_length=253, description="Name of the workload.")
    pool: str | None = Field(
        None, min_length=1, max_length=253, description="Pool that it is; its own label or name if absent."
    )

    @model_validator(mode="after")
    def scalable(self) -> TargetRef:
        """It is of a kind that can be scaled."""
        if self.kind in UNSCALABLE:
            raise ValueError(f"kind {self.kind} has no scale subresource; give a Deployment or the like")
        return self

    def same(self, other: TargetRef) -> bool:
        """Whether both name the same workload."""
        return (self.api_version, self.kind, self.name) == (other.api_version, other.kind, other.name)


class Spec(Part):
    """What is wanted."""

    service: str | None = Field(
        None, pattern=SERVICE, max_length=253, description="Service that is scaled; the resource's own name if absent."
    )
    target_ref: TargetRef = Field(description="Workload of the service's first pool.")
    more_target_refs: Annotated[
        tuple[TargetRef, ...],
        Field(
            max_length=15,
            description="Workloads of its other pools.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["apiVersion", "kind", "name"],
            },
        ),
    ] = ()
    policy: Policy = Field(Policy(), description="How the service is scaled; the same fields as in fleet.yaml.")

    @model_validator(mode="after")
    def distinct(self) -> Spec:
        """No workload is named twice."""
        refs = (self.target_ref, *self.more_target_refs)
        if any(one.same(other) for i, one in enumerate(refs) for other in refs[:i]):
            raise ValueError("a workload is named twice; name each once")
        return self


class ByTier(BaseModel):
    """Replicas by tier; what is not known is absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    active: int | None = Field(None, ge=0, description="In rotation.")
    standby: int | None = Field(None, ge=0, description="Loaded, out of rotation.")
    asleep: int | None = Field(None, ge=0, description="In the engine's sleep mode.")
    warm_node: int | None = Field(None, ge=0, description="On a node that has image and weights.")


class LastDecision(Part):
    """What was decided last, and why."""

    id: str = Field(max_length=128, description="Its name in the ledger: leadtime explain.")
    at: AwareDatetime = Field(description="When it was made.")
    acted: bool = Field(description="Whether it was carried out; not in shadow mode.")
    sentence: str = Field(max_length=2048, description="What is done and why, in one sentence.")


class Condition(Part):
    """A fact about the policy, as every Kubernetes tool reads it."""

    type: str = Field(min_length=1, max_length=316, description="Accepted, Observed or Ready.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int | None = Field(None, ge=0, description="Generation of the spec that it is about.")
    last_transition_time: AwareDatetime = Field(description="When the status last changed.")
    reason: str = Field(
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024, description="One word for programs."
    )
    message: str = Field(max_length=32768, description="A sentence for people.")


class Status(Part):
    """How it stands; written by the daemon alone."""

    observed_generation: int | None = Field(None, ge=0, description="Generation of the spec that was last acted on.")
    policy_version: int | None = Field(None, ge=1, description="Version of the policy in the ledger.")
    current: ByTier | None = Field(None, description="Replicas there are, of all pools.")
    desired: ByTier | None = Field(None, description="Replicas there should be, of all pools.")
    last_decision: LastDecision | None = Field(None, description="What was decided last.")
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            description="Accepted: the policy can be followed. Observed: its data are fresh. Ready: both.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()


class Metadata(BaseModel):
    """What we read of an object's metadata."""

    name: str
    namespace: str = "default"
    generation: int | None = None


class ScalingPolicy(Part):
    """The whole resource, as the API server hands it out."""

    api_version: Literal["leadtime.dev/v1alpha1"] = f"{POLICY_GROUP}/{POLICY_VERSION}"  # type: ignore[assignment]
    kind: Literal["ScalingPolicy"] = POLICY_KIND  # type: ignore[assignment]
    metadata: Metadata
    spec: Spec
    status: Status | None = None

    @property
    def service(self) -> str:
        """The service that it scales."""
        return self.spec.service or self.metadata.name


def body(part: Part) -> dict[str, Any]:
    """A part as the API server takes it: camel case, RFC 3339, nothing that is None."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)
