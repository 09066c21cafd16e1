"""The rights that a daemon needs in a cluster, each with what it is for. Pure; the chart grants these and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.kubernetes.declared import SCALING_POLICIES
from app.kubernetes.settings import KubernetesSettings
from runtime.kubernetes import resource
from runtime.kubernetes.resource import Resource
from runtime.kubernetes.spec import WATCHED

SIDE = (resource.AUTOSCALERS, resource.SCALED_OBJECTS, resource.BUDGETS)


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource in a namespace ("" for the whole cluster). ``acting``: only who scales needs it."""

    verb: str
    of: Resource
    namespace: str = ""
    sub: str = ""
    name: str = ""
    acting: bool = False
    needed: bool = True

    def __str__(self) -> str:
        return f"{self.verb} {self.of.plural}{'/' + self.sub if self.sub else ''}"


def rights(chosen: KubernetesSettings, own_namespace: str) -> Iterator[Right]:
    """All of them, for these settings."""
    named = {target.resource for target in chosen.targets}
    scaled = {*WATCHED, *named} if chosen.discover else named
    for namespace in chosen.namespaces:
        yield from _watched(namespace, scaled)
        yield from _acted(namespace, scaled)
        yield Right("list", resource.SERVICES, namespace, needed=False)  # doctor's alone
        yield Right("patch", SCALING_POLICIES, namespace, "status", needed=False)
        if not chosen.gitops:
            yield Right("patch", SCALING_POLICIES, namespace, needed=False)
    if chosen.nodes:
        yield from (Right(verb, resource.NODES, needed=False) for verb in ("list", "watch"))
    if chosen.taint_faulty_nodes:
        yield Right("patch", resource.NODES, acting=True)
    if chosen.lease is not None:
        where = chosen.lease_namespace or own_namespace
        yield Right("create", resource.LEASES, where)
        yield from (Right(verb, resource.LEASES, where, name=chosen.lease) for verb in ("get", "update"))


def _watched(namespace: str, scaled: set[Resource]) -> Iterator[Right]:
    for kind in (resource.PODS, *SIDE, SCALING_POLICIES, *sorted(scaled & set(WATCHED), key=str)):
        yield from (Right(verb, kind, namespace) for verb in ("list", "watch"))
    for kind in sorted(scaled - set(WATCHED), key=str):
        yield Right("get", kind, namespace, "scale")


def _acted(namespace: str, scaled: set[Resource]) -> Iterator[Right]:
    for kind in sorted(scaled, key=str):
        yield from (Right(verb, kind, namespace, "scale", acting=True) for verb in ("get", "patch"))
    yield Right("patch", resource.PODS, namespace, acting=True)
    yield Right("create", resource.PODS, namespace, "eviction", acting=True)
    yield Right("create", resource.EVENTS, namespace, needed=False)
