"""Whether Services send requests to pods in rotation alone: without that no pod is ever empty. Pure.

A pod leaves rotation by a label. A Service that does not ask for it goes on sending to the pod, which drains for ever;
one that asks for what the pod template does not bear never sends to a new pod at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.check import Check
from runtime.kubernetes.names import ROTATION_IN, ROTATION_LABEL

Json = dict[str, Any]
ASKED = f"{ROTATION_LABEL}: {ROTATION_IN}"


def labels_of(workload: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that its template gives to the pods that serve; none where it has no such template."""
    spec = workload.get("spec") or {}
    group = spec.get("leaderWorkerTemplate") or {}
    template = group.get("leaderTemplate") or group.get("workerTemplate") or spec.get("template") or {}
    found: Mapping[str, str] = (template.get("metadata") or {}).get("labels") or {}
    return found


def checks(pool: str, labels: Mapping[str, str], services: Iterable[Json], *, acts: bool) -> Iterator[Check]:
    """One for each Service that sends to pods of these labels. Where Leadtime ``acts``, a wrong one is a failure."""
    for one in senders(labels, services):
        asked = one["spec"]["selector"].get(ROTATION_LABEL)
        yield _check(pool, one["metadata"], asked, labels.get(ROTATION_LABEL), acts)


def senders(labels: Mapping[str, str], services: Iterable[Json]) -> Iterator[Json]:
    """Services that send to pods of these labels, in rotation or not."""
    for one in services:
        selector = (one.get("spec") or {}).get("selector") or {}
        others = {key: value for key, value in selector.items() if key != ROTATION_LABEL}
        if others and others.items() <= labels.items():
            yield one


def plain(labels: Mapping[str, str], services: Iterable[Json]) -> list[str]:
    """Those that choose a pod by themselves; who asks a headless one chooses for itself."""
    found = [one for one in senders(labels, services) if one["spec"].get("clusterIP") != "None"]
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found]


def _check(pool: str, meta: Json, asked: str | None, borne: str | None, acts: bool) -> Check:
    name, wrong = f"service of {pool}", "fail" if acts else "warn"
    place = f"{meta['namespace']}/{meta['name']}"
    if asked is None:
        return Check(
            name,
            wrong,
            f"{place} does not ask for {ASKED}, so a pod that drains is never empty; add it to its selector",
        )
    if asked != ROTATION_IN:
        return Check(
            name,
            "fail",
            f"{place} asks for {ROTATION_LABEL}: {asked}, which no pod in rotation bears; give {ROTATION_IN}",
        )
    if borne != ROTATION_IN:
        return Check(
            name, "fail", f"{place} asks for {ASKED} and the pod template does not bear it; add it to its labels"
        )
    return Check(name, "ok", f"{place} sends to pods in rotation alone")
