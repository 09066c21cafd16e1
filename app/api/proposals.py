"""Proposals: changes of policy that somebody else has to approve before they are applied.

Promise: where the settings ask for a second person, no route makes the change without one. Going back to an older
version is the exception: it was in force once, and an incident does not wait.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException

from app.api import declared, watch
from app.api.backend import Back, Known
from app.api.errors import problems
from app.api.feasible import refuse
from app.api.policies import Newest, compared, parsed, view
from app.api.schemas.policies import PolicyDiff, PolicyVersion, PolicyWrite
from app.api.schemas.schema import Author, Reason, Schema
from autoscaler.policy import Policy
from autoscaler.store.policies import StaleWrite, Version
from autoscaler.store.proposals import Decided, Outcome, OwnProposal, Proposal, ProposalStore

router = APIRouter(tags=["policies"])

State = Literal["open", "outdated", "approved", "refused", "withdrawn"]


class ProposalView(Schema):
    """A proposed policy. ``outdated`` where another version came since; ``diff`` is against the policy in force."""

    id: str
    service: str
    base_version: int
    author: str
    reason: str
    made_at_s: float
    watch_s: float
    state: State
    policy: dict[str, Any]
    needs: list[str]
    diff: PolicyDiff
    decided_by: str | None
    decided_at_s: float | None
    decided_why: str | None


class ProposalDecision(Schema):
    """Who decides, and why."""

    author: Author
    reason: Reason


def store_of(back: Back) -> ProposalStore:
    """The proposals; 404 where the daemon keeps none."""
    if back.approvals.store is None:
        raise HTTPException(404, "this daemon keeps no proposals")
    return back.approvals.store


Store = Annotated[ProposalStore, Depends(store_of)]


@router.get("/policies/{service}/proposals", responses=problems(404))
async def listed(current: Newest, store: Store, back: Back) -> list[ProposalView]:
    """The latest proposals of a service, newest first."""
    return [shown(each, current, back) for each in await asyncio.to_thread(store.of, current.service)]


@router.post("/policies/{service}/proposals", status_code=201, responses=problems(404, 409, 422))
async def propose(change: PolicyWrite, current: Newest, store: Store, back: Back, known: Known) -> ProposalView:
    """Propose the next version; somebody else approves or refuses it. 409 as for a write."""
    policy, errors = parsed(change.policy)
    if policy is None:
        raise HTTPException(422, f"policy: {'; '.join(errors)}")
    refuse(policy, known, back)
    if change.base_version != current.version:
        raise StaleWrite(current.service, change.base_version, current.version)
    signed = (change.author, change.reason, change.watch_s, back.now_s())
    made = await asyncio.to_thread(store.make, current.service, current.version, policy, *signed)
    return shown(made, current, back)


@router.post("/policies/{service}/proposals/{id}/approve", responses=problems(403, 404, 409, 422))
async def approve(
    id: str, by: ProposalDecision, current: Newest, store: Store, back: Back, known: Known
) -> PolicyVersion:
    """Apply it as the next version and watch it; 403 for who proposed it, 409 where another version came since."""
    found = await open_one(store, id, current.service, Outcome.APPROVED, by.author)
    policy = Policy.model_validate(found.policy)
    refuse(policy, known, back)
    reason = f"{found.reason} (approved by {by.author}: {by.reason})"
    made = await declared.write(current.service, policy, found.base_version, found.author, reason, back, approved=True)
    await decided(store, id, Outcome.APPROVED, by, back)
    await asyncio.to_thread(watch.begin, back.trials.watches, made, found.watch_s)
    return view(made)


@router.post("/policies/{service}/proposals/{id}/refuse", responses=problems(403, 404, 409, 422))
async def refuse_it(id: str, by: ProposalDecision, current: Newest, store: Store, back: Back) -> ProposalView:
    """Refuse it; it can be proposed again as another one."""
    await open_one(store, id, current.service, Outcome.REFUSED, by.author)
    return shown(await decided(store, id, Outcome.REFUSED, by, back), current, back)


@router.post("/policies/{service}/proposals/{id}/withdraw", responses=problems(403, 404, 409, 422))
async def withdraw(id: str, by: ProposalDecision, current: Newest, store: Store, back: Back) -> ProposalView:
    """Take one's own proposal back."""
    await open_one(store, id, current.service, Outcome.WITHDRAWN, by.author)
    return shown(await decided(store, id, Outcome.WITHDRAWN, by, back), current, back)


async def open_one(store: ProposalStore, id: str, service: str, outcome: Outcome, by: str) -> Proposal:
    """The open proposal of that service that this person may bring to that end."""
    try:
        found = await asyncio.to_thread(store.undecided, id, outcome, by)
    except KeyError:
        raise HTTPException(404, f"no such proposal; GET /api/v1/policies/{service}/proposals lists them") from None
    except Decided as error:
        raise HTTPException(409, str(error)) from None
    except OwnProposal as error:
        raise HTTPException(403, str(error)) from None
    if found.service != service:
        raise HTTPException(404, f"no such proposal; GET /api/v1/policies/{service}/proposals lists them")
    return found


async def decided(store: ProposalStore, id: str, outcome: Outcome, by: ProposalDecision, back: Back) -> Proposal:
    """Bring it to its end."""
    try:
        return await asyncio.to_thread(store.decide, id, outcome, by.author, by.reason, back.now_s())
    except Decided as error:
        raise HTTPException(409, str(error)) from None


def shown(proposal: Proposal, current: Version, back: Back) -> ProposalView:
    """A proposal as the API shows it."""
    policy = Policy.model_validate(proposal.policy)
    state: State = proposal.outcome.value
    if proposal.outcome is Outcome.OPEN and proposal.base_version != current.version:
        state = "outdated"
    same = ("id", "service", "base_version", "author", "reason", "made_at_s", "watch_s")
    return ProposalView(
        **{name: getattr(proposal, name) for name in (*same, "decided_by", "decided_at_s", "decided_why")},
        state=state,
        policy=dict(proposal.policy),
        needs=back.approvals.rule.asked_by(current.policy, policy),
        diff=compared(current.policy, policy),
    )
