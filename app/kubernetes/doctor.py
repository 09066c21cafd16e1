"""What a daemon would miss in this cluster, named before it is missed: rights, the resource definition, workloads and
their rivals, the clock, the Lease, and metrics.

Every check asks the cluster and changes nothing. One that cannot be made says so and spoils no other.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from app.certificates import lasting
from app.check import Check
from app.fleets import api_of, caller, cluster, cluster_spec
from app.kubernetes import rotation
from app.kubernetes.declared import SCALING_POLICIES
from app.kubernetes.fleet import ClusterFleet, OutOfReach
from app.kubernetes.rights import Right, rights
from app.manifests.crd import NAME, schema
from app.sending import by_service
from app.settings import Settings
from autoscaler.policy import Mode
from runtime.agent.client import Standing
from runtime.clock import WallClock
from runtime.kubernetes import resource
from runtime.kubernetes.client import Api
from runtime.kubernetes.errors import Forbidden, KubeError, NotFound
from runtime.kubernetes.names import AGENT_LABEL
from runtime.kubernetes.resource import LEASES, Resource
from runtime.kubernetes.times import seconds

Json = dict[str, Any]

REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
OLDEST_MINOR = 30
SKEW_S = 5.0
"""The header has whole seconds; beyond this, ages of samples are judged wrongly."""

SKEW_FAIL_S = 45.0
"""Beyond this every sample of Prometheus is stale or of the future."""

EVER = "1970-01-01T00:00:00Z"
APPLY = "run kubectl apply --server-side -f deploy/crds"


async def look(settings: Settings, api: Api | None = None, unrouted: Collection[str] = ()) -> list[Check]:
    """All checks; an ``unrouted`` service to which a plain Service sends is told. Raises ``UserError`` where the file
    names no cluster that could be asked.
    """
    spec = cluster_spec(settings)
    made = api or api_of(cluster(settings))
    fleet = ClusterFleet(made, spec, WallClock(), call=caller(settings))
    try:
        reached = await version(made)
        if reached[0].status == "fail":
            return reached
        found = [*reached, *await definition(made), *await granted(settings, made), *await lease(settings, made)]
        found += [check async for check in workloads(settings, fleet)]
        found += agents(fleet.standings(), time.time())
        return found + [check async for check in rotations(settings, fleet, unrouted)]
    finally:
        await fleet.close()


# --- the server --------------------------------------------------------------------------------------------------


async def version(api: Api) -> list[Check]:
    """Whether the API server answers, what it is, and what time it is there."""
    try:
        answer = await api.page("/version")
    except KubeError as error:
        return [Check("cluster", "fail", f"{api.connection.url}: {error}; is the kubeconfig the right one?")]
    told = answer.json()
    name = f"{api.connection.url}: {told.get('gitVersion', 'no version')}"
    minor = "".join(filter(str.isdigit, str(told.get("minor", ""))))
    old = minor.isdigit() and int(minor) < OLDEST_MINOR
    newer = f"; older than 1.{OLDEST_MINOR}, which is not tested" if old else ""
    checks = [Check("cluster", "warn" if old else "ok", name + newer)]
    if date := answer.headers.get("Date"):
        checks.append(skew(parsedate_to_datetime(date).timestamp() - time.time()))
    return checks


def skew(ahead_s: float) -> Check:
    """The server's clock against ours."""
    off_s = abs(ahead_s)
    status = "ok" if off_s <= SKEW_S else "warn" if off_s <= SKEW_FAIL_S else "fail"
    which = "ahead of" if ahead_s > 0 else "behind"
    said = "as here" if status == "ok" else f"{off_s:.0f} s {which} this machine's; set both by NTP"
    return Check("clock of the cluster", status, said)


# --- the definition of our resource ------------------------------------------------------------------------------


async def definition(api: Api) -> list[Check]:
    """Whether ScalingPolicies are served, ready, and those of this version."""
    name = f"resource {NAME}"
    try:
        await api.page(f"/apis/{SCALING_POLICIES.api_version}")
        served, established = await _schema(api)
    except NotFound:
        return [Check(name, "warn", f"is not there, so policies live in the store alone; {APPLY}")]
    except KubeError as error:
        return [Check(name, "warn", f"cannot be told: {error}")]
    if not established:
        return [Check(name, "fail", "is not Established; see its conditions: kubectl describe crd")]
    if missing := sorted(set(fields(schema())) - set(fields(served))):
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        return [Check(name, "fail", f"is older than this daemon: it does not know {shown}; {APPLY}")]
    return [Check(name, "ok", "served, with every field of this version")]


async def _schema(api: Api) -> tuple[Json, bool]:
    """The schema that is served, and whether it is ready. The definition itself may be read by few, OpenAPI by all."""
    try:
        found = await api.get(DEFINITIONS.at(name=NAME))
    except Forbidden:
        page = (await api.page(f"/openapi/v3/apis/{SCALING_POLICIES.api_version}")).json()
        components = (page.get("components") or {}).get("schemas") or {}
        ours: list[Json] = [one for key, one in components.items() if key.endswith(f".{SCALING_POLICIES.kind}")]
        return (ours or [{}])[0], True
    versions = {one["name"]: one for one in found["spec"]["versions"] if one.get("served")}
    said = versions.get(SCALING_POLICIES.version, {}).get("schema", {}).get("openAPIV3Schema", {})
    ready = any(c["type"] == "Established" and c["status"] == "True" for c in found["status"].get("conditions", ()))
    return said, ready


def fields(node: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Dotted names of everything below ``spec`` and ``status`` that a schema knows."""
    for key, inner in (node.get("properties") or {}).items():
        if prefix or key in ("spec", "status"):
            name = f"{prefix}.{key}".lstrip(".")
            yield name
            yield from fields(inner, name)
            yield from fields(inner.get("items") or {}, f"{name}[]")


# --- rights ------------------------------------------------------------------------------------------------------


async def granted(settings: Settings, api: Api) -> list[Check]:
    """What may not be done, by namespace."""
    wanted = list(rights(cluster(settings), api.connection.namespace))
    try:
        allowed = await asyncio.gather(*(may(api, right) for right in wanted))
    except KubeError as error:
        return [Check("rights", "warn", f"cannot be told: {error}")]
    by_namespace: dict[str, list[tuple[Right, bool]]] = defaultdict(list)
    for right, good in zip(wanted, allowed, strict=True):
        by_namespace[right.namespace].append((right, good))
    acts = any(service.policy.mode is Mode.AUTO for service in settings.services)
    return [summary(namespace, told, acts) for namespace, told in by_namespace.items()]


async def may(api: Api, right: Right) -> bool:
    """Whether the API server would let us."""
    told = {
        "verb": right.verb,
        "group": right.of.group,
        "resource": right.of.plural,
        "subresource": right.sub,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec = {"resourceAttributes": {key: value for key, value in told.items() if value or key == "group"}}
    body = {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind, "spec": spec}
    return bool((await api.ask(REVIEWS.at(), body))["status"].get("allowed"))


def summary(namespace: str, told: list[tuple[Right, bool]], acts: bool) -> Check:
    """One line for a namespace: what is missing, and what for."""
    name = f"rights in {namespace}" if namespace else "rights in the whole cluster"
    missing = [right for right, good in told if not good]
    if not missing:
        return Check(name, "ok", f"all {len(told)}")
    to_act = all(right.acting for right in missing)
    fails = any(right.needed and (acts or not right.acting) for right in missing)
    why = "needed to act, and not to watch; rights.act: true" if to_act else "see the rights in docs/kubernetes.md"
    return Check(name, "fail" if fails else "warn", f"may not {', '.join(map(str, missing))}; {why}")


# --- the lease and the store -------------------------------------------------------------------------------------


async def lease(settings: Settings, api: Api) -> list[Check]:
    """Who leads, and whether the store is one that the leader shares."""
    chosen = cluster(settings)
    if chosen.lease is None:
        return [Check("lease", "warn", "none, so a second daemon would act too; give fleet.kubernetes.lease: NAME")]
    place = LEASES.at(chosen.lease_namespace or api.connection.namespace, chosen.lease)
    try:
        spec = (await api.get(place)).get("spec") or {}
    except NotFound:
        return [Check("lease", "ok", f"{place.path}: nobody leads yet")]
    except KubeError as error:
        return [Check("lease", "warn", f"{place.path}: {error}")]
    holder, renewed_s = spec.get("holderIdentity") or "", seconds(spec.get("renewTime") or EVER)
    alive = bool(holder) and time.time() - renewed_s < float(spec.get("leaseDurationSeconds") or 0)
    elsewhere = holder.partition("_")[0] not in ("", socket.gethostname())
    if alive and elsewhere and settings.store.url.startswith("sqlite"):
        line = f"{holder} leads elsewhere, and {settings.store.url} is not shared with it; give a postgresql URL"
        return [Check("lease", "fail", line)]
    return [Check("lease", "ok", f"{holder} leads" if alive else "nobody leads now")]


# --- workloads ---------------------------------------------------------------------------------------------------


async def workloads(settings: Settings, fleet: ClusterFleet) -> AsyncIterator[Check]:
    """Each pool: its workload, who else scales it, and whether its engines can be asked."""
    try:
        replicas = await fleet.replicas()
    except OutOfReach as error:
        yield Check("workloads", "fail", str(error))
        return
    targets, holds = fleet.targets() or {}, fleet.holds()
    for service in settings.services:
        for pool in service.pools:
            key, name = (service.name, pool.name), f"pool {pool.name}"
            if key in fleet.spec.agent_pools and key not in targets:
                yield Check(
                    name, "fail", f"no pod with the label {AGENT_LABEL} holds it; see leadtime manifest --agent"
                )
            elif key not in targets:
                label = f"leadtime.dev/service={service.name} leadtime.dev/pool={pool.name}"
                yield Check(name, "fail", f"no workload is it; label one {label}, or name it under targets")
            elif key in holds:
                yield Check(name, "fail", "; ".join(hold.message for hold in holds[key]))
            else:
                found, target = sum(one.pool == pool.name for one in replicas), targets[key]
                yield Check(name, "ok", f"{target.resource.kind} {target.namespace}/{target.name}, {found} replicas")
    if settings.source.kind == "direct":
        yield await engines([one.base_url for one in replicas if one.serving][:3])


def agents(standings: Mapping[str, Standing], now_s: float) -> list[Check]:
    """Agents that are left as they are, and those whose certificate ends soon."""
    apart = [Check(f"agent {name}", "fail", one.trouble) for name, one in standings.items() if one.trouble]
    ends = {name: one.expires_s for name, one in standings.items() if one.expires_s is not None and not one.trouble}
    judged = [lasting(f"certificate of agent {name}", at_s, now_s) for name, at_s in ends.items()]
    return apart + [check for check in judged if check.status != "ok"]


async def rotations(settings: Settings, fleet: ClusterFleet, unrouted: Collection[str]) -> AsyncIterator[Check]:
    """Each Service that sends to a pool's pods: whether it heeds their rotation, and whether it may send by chance."""
    known = {key: target for key, target in (fleet.targets() or {}).items() if key not in fleet.spec.agent_pools}
    untold = set(unrouted)
    for service in settings.services:
        for pool in service.pools:
            target = known.get((service.name, pool.name))
            workload = fleet.workload(target) if target is not None else None
            if target is None or workload is None:
                continue
            try:
                there = (await fleet.api.get(resource.SERVICES.at(target.namespace)))["items"]
            except KubeError as error:
                yield Check(f"service of {pool.name}", "warn", f"cannot be told: {error}")
                continue
            acts = service.policy.mode is Mode.AUTO
            labels = rotation.labels_of(workload)
            for check in rotation.checks(pool.name, labels, there, acts=acts):
                yield check
            if service.name in untold and (places := rotation.plain(labels, there)):
                untold.remove(service.name)
                yield by_service(service.name, places[0])


async def engines(urls: list[str]) -> Check:
    """Whether engines can be asked for their metrics from here."""
    if not urls:
        return Check("engines", "warn", "none is serving, so none was asked")
    async with httpx.AsyncClient(timeout=3.0, trust_env=False) as http:
        for url in urls:
            try:
                answer = await http.get(f"{url}/metrics")
            except httpx.HTTPError as error:
                why = f"{url}: no answer ({error or type(error).__name__})"
                return Check("engines", "warn", f"{why}; pods answer within the cluster, if NetworkPolicies let us")
            if answer.is_error:
                return Check("engines", "warn", f"{url}/metrics: {answer.status_code}; start the engine with metrics")
    return Check("engines", "ok", f"{len(urls)} asked, all show metrics")
