"""How a policy is written where policies may be resources of a cluster.

A service with a ScalingPolicy has it written there first, tried without effect before; a version is made after that. A
fleet whose policies are committed refuses, with the YAML to commit. Everywhere else the store is written as ever.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

from fastapi import HTTPException

from app.api.backend import Backend
from autoscaler.policy import Policy
from autoscaler.store.policies import StaleWrite, Version
from runtime.kubernetes.client import NotLeading
from runtime.kubernetes.errors import Conflict, FieldManagerConflict, Forbidden, Invalid, KubeError, NotFound

COMMITTED = "policies of this fleet are committed and not edited here (fleet.kubernetes.gitops); commit this YAML"
SECOND = (
    "a change of this needs a second person (approval.fields in the fleet file); propose it with POST "
    "/api/v1/policies/{service}/proposals, and let somebody else approve it"
)
MEANING: tuple[tuple[type[Exception], int, str], ...] = (
    (FieldManagerConflict, 409, "another manager owns its fields; change it there"),
    (Conflict, 409, "it was changed meanwhile; look at what changed and make the change again"),
    (NotFound, 409, "it is gone; make the change again"),
    (Invalid, 422, "mend the policy"),
    (Forbidden, 403, "give the daemon the right to patch scalingpolicies (rights.editPolicies) or edit the resource"),
    (NotLeading, 503, "another daemon leads; ask again"),
)


class Committed(Exception):
    """Refused: the policy is to be committed as ``yaml``."""

    def __init__(self, yaml: str) -> None:
        super().__init__(COMMITTED)
        self.yaml = yaml


async def write(
    service: str,
    policy: Policy,
    base_version: int,
    author: str,
    reason: str,
    back: Backend,
    *,
    approved: bool = False,
) -> Version:
    """Make the next version. Raises StaleWrite, Committed, and HTTPException for what the cluster refuses, and for
    what needs a second person and is not ``approved``.
    """
    if not approved and (needs := await asyncio.to_thread(unapproved, service, policy, back)):
        raise HTTPException(409, f"{', '.join(needs)}: {SECOND.format(service=service)}")
    if (yaml := to_commit(service, policy, back)) is not None:
        raise Committed(yaml)
    declared = back.resources.of(service) if back.resources is not None else None
    if back.resources is not None and declared is not None:
        newest = await asyncio.to_thread(back.policies.current, service)
        if newest is not None and newest.version != base_version:
            raise StaleWrite(service, base_version, newest.version)
        try:
            written = await back.resources.write(declared, policy)
        except (KubeError, NotLeading) as error:
            refused(f"scalingpolicy {declared.namespace}/{declared.name}", error)
        reason = f"{reason}; {written.told}"
    return await asyncio.to_thread(back.policies.write, service, policy, base_version, author, reason, back.now_s())


def unapproved(service: str, policy: Policy, back: Backend) -> list[str]:
    """The changed fields that somebody else has to approve."""
    newest = back.policies.current(service)
    return [] if newest is None else back.approvals.rule.asked_by(newest.policy, policy)


def to_commit(service: str, policy: Policy, back: Backend) -> str | None:
    """The YAML that would say this policy, where policies are committed; 409 where there is nothing it could name."""
    if back.resources is None or not back.resources.committed:
        return None
    try:
        return back.resources.commit(service, policy)
    except LookupError as error:
        raise HTTPException(409, f"policy: {error.args[0]}") from None


def refused(what: str, error: Exception) -> NoReturn:
    """The cluster's answer as ours."""
    for kind, status, remedy in MEANING:
        if isinstance(error, kind):
            raise HTTPException(status, f"{what}: {error}; {remedy}") from None
    raise HTTPException(502, f"{what}: {error}; the cluster does not answer as it should, try again") from None
