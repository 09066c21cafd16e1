"""ScalingPolicies as they were read: which of them says how a service is scaled, what is wrong with others. Pure.

Promise: a resource that cannot be followed is refused with one line, and never followed in part; of two that claim a
service the older one has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from app.manifests.resource import ScalingPolicy, Spec, TargetRef
from app.validation import error_lines
from autoscaler.policy import Policy
from runtime.kubernetes.names import POLICY_GROUP, POLICY_KIND, POLICY_PLURAL, POLICY_VERSION
from runtime.kubernetes.resource import Place, Resource
from runtime.kubernetes.spec import TargetSpec

Json = dict[str, Any]
SCALING_POLICIES = Resource(POLICY_GROUP, POLICY_VERSION, POLICY_PLURAL, POLICY_KIND)


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource. ``spec`` is None where it cannot be read, and ``problem`` says why. ``author`` is the field manager
    that wrote the spec last.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    version: str
    created: str
    author: str
    service: str
    spec: Spec | None
    problem: str
    status: Json

    @property
    def place(self) -> Place:
        """Where it lies."""
        return SCALING_POLICIES.at(self.namespace, self.name)

    @property
    def told(self) -> str:
        """Name and generation: the reason of the version that is made of it."""
        return f"{POLICY_PLURAL} {self.namespace}/{self.name}, generation {self.generation}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a resource is not followed: a word for programs and a line for people."""

    reason: str
    message: str


def keep(obj: Json) -> Json:
    """Of the record of who set what only who set the spec last, which is often a tenth of the object."""
    entries = obj["metadata"].pop("managedFields", None)
    if entries is not None:
        of_spec = [one for one in entries if "f:spec" in (one.get("fieldsV1") or {}) and not one.get("subresource")]
        obj["author"] = max(of_spec, key=lambda one: str(one.get("time", "")))["manager"] if of_spec else ""
    return obj


def read(obj: Json) -> Declared:
    """From the object, whatever it holds."""
    meta = obj["metadata"]
    spec, problem = _spec(obj)
    return Declared(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 1),
        version=meta["resourceVersion"],
        created=meta.get("creationTimestamp", ""),
        author=obj.get("author") or "kubernetes",
        service=(spec.service if spec else (obj.get("spec") or {}).get("service")) or meta["name"],
        spec=spec,
        problem=problem,
        status=obj.get("status") or {},
    )


def _spec(obj: Json) -> tuple[Spec | None, str]:
    told = {key: obj[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in obj}
    try:
        return ScalingPolicy.model_validate(told).spec, ""
    except ValidationError as error:
        return None, error_lines(error, ScalingPolicy)[0]


def judged(
    found: Iterable[Declared], services: Iterable[str], targets: Mapping[tuple[str, str], TargetSpec]
) -> tuple[dict[str, Declared], dict[str, Refusal]]:
    """The resource of each service that has one, and why others are refused, by uid. The older comes first."""
    known = set(services)
    chosen: dict[str, Declared] = {}
    refused: dict[str, Refusal] = {}
    for one in sorted(found, key=lambda one: (one.created, one.namespace, one.name)):
        refusal = _refusal(one, known, targets)
        if refusal is None and one.service in chosen:
            other = chosen[one.service]
            line = f"service {one.service} is {other.namespace}/{other.name}'s already; delete one of them"
            refusal = Refusal("ServiceTaken", line)
        if refusal is None:
            chosen[one.service] = one
        else:
            refused[one.uid] = refusal
    return chosen, refused


def _refusal(one: Declared, services: set[str], targets: Mapping[tuple[str, str], TargetSpec]) -> Refusal | None:
    if one.spec is None:
        return Refusal("InvalidPolicy", one.problem)
    if one.service not in services:
        there = ", ".join(sorted(services)) or "none"
        line = f"service {one.service} is not in the daemon's fleet file; there are {there}"
        return Refusal("UnknownService", line)
    pools = {(t.namespace, t.resource.kind, t.name): t.pool for t in targets.values() if t.service == one.service}
    for ref in (one.spec.target_ref, *one.spec.more_target_refs):
        pool = pools.get((one.namespace, ref.kind, ref.name))
        if pool is None:
            label = f"leadtime.dev/service={one.service} leadtime.dev/pool={ref.pool or 'POOL'}"
            line = f"{ref.kind} {one.namespace}/{ref.name} is not there, or no pool of {one.service}; label it {label}"
            return Refusal("TargetNotFound", line)
        if ref.pool not in (None, pool):
            line = f"{ref.kind} {one.namespace}/{ref.name} is pool {pool}, not {ref.pool}; give pool: {pool}"
            return Refusal("OtherPool", line)
    return None


def resource_of(service: str, policy: Policy, declared: Declared | None, targets: Iterable[TargetSpec]) -> Json:
    """The resource that would say this policy: the one that is there with another policy, or a new one.

    Raises LookupError where the service has no workload that it could name.
    """
    if declared is not None and declared.spec is not None:
        name, namespace, spec = declared.name, declared.namespace, declared.spec
    else:
        own = [target for target in targets if target.service == service]
        if not own:
            raise LookupError(f"no workload is a pool of {service}; label one leadtime.dev/service={service}")
        refs = [
            TargetRef(api_version=t.resource.api_version, kind=t.resource.kind, name=t.name, pool=t.pool) for t in own
        ]
        name, namespace = own[0].name, own[0].namespace
        spec = Spec(service=service, target_ref=refs[0], more_target_refs=tuple(refs[1:]))
    told = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"policy"})
    return {
        "apiVersion": SCALING_POLICIES.api_version,
        "kind": SCALING_POLICIES.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": told | {"policy": policy.model_dump(mode="json", exclude_defaults=True)},
    }
