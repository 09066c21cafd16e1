"""Policies: read, check, write, compare, roll back. A write from an older version is refused, never merged."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ValidationError

from app.api import declared, watch
from app.api.backend import Back, Known
from app.api.errors import problems
from app.api.feasible import found, refuse
from app.api.schemas.policies import FieldChange, PolicyCheck, PolicyDiff, PolicyRollback, PolicyVersion, PolicyWrite
from app.validation import error_lines
from autoscaler.policy import Policy
from autoscaler.store.policies import Version, diff

router = APIRouter(tags=["policies"])


class PolicyDraft(BaseModel):
    """A whole policy that is not in force (yet)."""

    policy: dict[str, Any]


async def newest_of(service: str, back: Back, known: Known) -> Version:
    """The policy in force; 404 for an unknown service."""
    found = await asyncio.to_thread(back.policies.current, service)
    if found is None:
        raise HTTPException(404, f"{service} has no policy yet")
    return found


Newest = Annotated[Version, Depends(newest_of)]


@router.get("/policies")
async def newest(back: Back) -> list[PolicyVersion]:
    """Every service's policy in force."""
    found = [await asyncio.to_thread(back.policies.current, name) for name in back.memory.services]
    return [view(version) for version in found if version is not None]


@router.get("/policies/{service}", responses=problems(404))
async def one(current: Newest) -> PolicyVersion:
    """The policy in force."""
    return view(current)


@router.put("/policies/{service}", responses=problems(404, 409, 422))
async def write(service: str, change: PolicyWrite, back: Back, known: Known) -> PolicyVersion:
    """Make the next version, and watch it; 409 where ``base_version`` is not the newest."""
    policy, errors = parsed(change.policy)
    if policy is None:
        raise HTTPException(422, f"policy: {'; '.join(errors)}")
    refuse(policy, known, back)
    made = await declared.write(service, policy, change.base_version, change.author, change.reason, back)
    await asyncio.to_thread(watch.begin, back.trials.watches, made, change.watch_s)
    return view(made)


@router.post("/policies/{service}/check", responses=problems(404, 422))
async def check(draft: PolicyDraft, current: Newest, back: Back, known: Known) -> PolicyCheck:
    """Validate a draft and compare it with the policy in force; changes nothing."""
    policy, errors = parsed(draft.policy)
    if policy is None:
        return PolicyCheck(valid=False, errors=errors)
    wrong = found(policy, known, back)
    if refused := [str(finding) for finding in wrong if finding.refused]:
        return PolicyCheck(valid=False, errors=refused)
    warnings = [str(finding) for finding in wrong]
    commit = declared.to_commit(current.service, policy, back)
    return PolicyCheck(
        valid=True,
        errors=[],
        diff=compared(current.policy, policy),
        warnings=warnings,
        commit=commit,
        second_person=back.approvals.rule.asked_by(current.policy, policy),
    )


@router.get("/policies/{service}/history", responses=problems(404))
async def history(service: str, back: Back, known: Known) -> list[PolicyVersion]:
    """Every version, newest first."""
    return [view(version) for version in await asyncio.to_thread(back.policies.history, service)]


@router.get("/policies/{service}/diff", responses=problems(404, 422))
async def difference(
    service: str,
    back: Back,
    known: Known,
    from_: Annotated[int, Query(alias="from", ge=1, description="Older version.")],
    to: Annotated[int, Query(ge=1, description="Newer version.")],
) -> PolicyDiff:
    """What changed from one version to another."""
    versions = {version.version: version for version in await asyncio.to_thread(back.policies.history, service)}
    for number in (from_, to):
        if number not in versions:
            raise HTTPException(404, f"{service} has no policy version {number}; the newest is {max(versions)}")
    return compared(versions[from_].policy, versions[to].policy)


@router.post("/policies/{service}/rollback", responses=problems(404, 409, 422))
async def rollback(service: str, change: PolicyRollback, back: Back, known: Known) -> PolicyVersion:
    """Make a new version with an older one's content; 409 and 422 as for a write."""
    versions = await asyncio.to_thread(back.policies.history, service)
    old = next((version.policy for version in versions if version.version == change.to_version), None)
    if old is None:
        raise HTTPException(404, f"{service} has no policy version {change.to_version}")
    refuse(old, known, back)
    signed = (change.author, change.reason)
    return view(await declared.write(service, old, change.base_version, *signed, back, approved=True))


def parsed(draft: dict[str, Any]) -> tuple[Policy | None, list[str]]:
    """The policy, or what is wrong with it, one line each."""
    try:
        return Policy.model_validate(draft), []
    except ValidationError as error:
        return None, error_lines(error, Policy)


def view(version: Version) -> PolicyVersion:
    """A version as the API shows it."""
    return PolicyVersion(
        service=version.service,
        version=version.version,
        at_s=version.at_s,
        author=version.author,
        reason=version.reason,
        policy=version.policy.model_dump(mode="json"),
    )


def compared(old: Policy, new: Policy) -> PolicyDiff:
    """Two policies against each other."""
    found = diff(old, new)
    changes = [FieldChange(field=change.field, old=change.old, new=change.new) for change in found.changes]
    return PolicyDiff(changes=changes, yaml_diff=found.yaml_diff)
