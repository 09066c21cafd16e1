"""Candidates in shadow: start one, read what it would have done, stop it, make it the policy.

A candidate changes nothing. Promotion is a versioned write like any other, on watch like any other; who acts stays as
it is, so the live policy's mode and pause are kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

from fastapi import APIRouter, HTTPException

from app.api import declared, policies, watch
from app.api.backend import Back, Backend, Known
from app.api.errors import problems
from app.api.feasible import refuse
from app.api.policies import Newest
from app.api.schemas.policies import PolicyVersion
from app.api.schemas.trials import DifferenceView, PolicyFigures, ShadowPromotion, ShadowStart, ShadowView, Signed
from autoscaler.shadow.report import report
from autoscaler.shadow.run import Shadow, begin, wanted
from autoscaler.store.audit import Change

router = APIRouter(tags=["policies"])


@router.get("/policies/{service}/shadow", responses=problems(404))
async def one(service: str, back: Back, known: Known) -> ShadowView:
    """The service's candidate, running or over, and where it disagrees with the live policy."""
    return view(await shadow_of(service, back))


@router.put("/policies/{service}/shadow", responses=problems(404, 409, 422))
async def start(service: str, candidate: ShadowStart, back: Back, known: Known) -> ShadowView:
    """Let a candidate decide beside the live policy from the next tick on; one at a time."""
    policy, errors = policies.parsed(candidate.policy)
    if policy is None:
        raise HTTPException(422, f"policy: {'; '.join(errors)}")
    refuse(policy, known, back)
    if known.decision is None:
        raise HTTPException(409, f"nothing has been decided on {service} yet; wait for the next tick")
    last = await asyncio.to_thread(back.trials.shadows.newest, service)
    by = (candidate.author, candidate.reason)
    state, at_s = known.decision.next_state, known.decision.at_s
    made = begin(1 + (last.number if last else 0), policy, *by, state, known.policy_version, at_s)
    told = Change("shadow.start", service, *by, back.now_s(), None, policy.model_dump(mode="json"))
    if not await asyncio.to_thread(back.trials.shadows.put, made, False, told):
        raise HTTPException(409, f"a candidate of {service} is in shadow already; stop or promote it first")
    known.shadow = made
    return view(made)


@router.post("/policies/{service}/shadow/stop", responses=problems(404, 409, 422))
async def stop(service: str, by: Signed, back: Back, known: Known) -> ShadowView:
    """End the candidate; what it came to can still be read."""
    shadow = await running(service, back)
    told = Change("shadow.stop", service, by.author, by.reason, back.now_s(), shadow.policy.model_dump(mode="json"))
    return view(await ended(shadow, f"stopped by {by.author}: {by.reason}", back, known, told))


@router.post("/policies/{service}/shadow/promote", responses=problems(404, 409, 422))
async def promote(service: str, change: ShadowPromotion, back: Back, known: Known, live: Newest) -> PolicyVersion:
    """Make the candidate the next version; who acts (mode and pause) stays as it is."""
    shadow = await running(service, back)
    who_acts = {"mode": live.policy.mode, "paused_until_s": live.policy.paused_until_s}
    policy = shadow.policy.model_copy(update=who_acts)
    refuse(policy, known, back)
    made = await declared.write(service, policy, change.base_version, change.author, change.reason, back)
    await asyncio.to_thread(watch.begin, back.trials.watches, made, change.watch_s)
    await ended(shadow, f"promoted as version {made.version} by {change.author}: {change.reason}", back, known)
    return policies.view(made)


async def shadow_of(service: str, back: Backend) -> Shadow:
    """The service's newest candidate; 404 where it never had one."""
    found = await asyncio.to_thread(back.trials.shadows.newest, service)
    if found is None:
        raise HTTPException(404, f"{service} has had no candidate in shadow yet")
    return found


async def running(service: str, back: Backend) -> Shadow:
    """The service's candidate; 409 where it is over."""
    found = await shadow_of(service, back)
    if not found.open:
        raise HTTPException(409, f"the candidate of {service} is over: {found.outcome}")
    return found


async def ended(shadow: Shadow, outcome: str, back: Backend, known: Known, told: Change | None = None) -> Shadow:
    """The candidate, over as of now."""
    done = replace(shadow, ended_at_s=back.now_s(), outcome=outcome)
    await asyncio.to_thread(back.trials.shadows.keep, done, told)
    known.shadow = done
    return done


def view(shadow: Shadow) -> ShadowView:
    """A candidate as the API shows it."""
    told = report(shadow)
    times = ("both_s", "disagreed_s", "more_s", "fewer_s", "unknown_s", "missed_s")
    same = ("service", "number", "author", "reason", "started_at_s", "ended_at_s", "outcome", "live_version")
    return ShadowView(
        **{name: getattr(shadow, name) for name in same},
        **{name: getattr(told, name) for name in times},
        policy=shadow.policy.model_dump(mode="json"),
        sentence=told.sentence,
        live=PolicyFigures(**asdict(told.live)),
        candidate=PolicyFigures(**asdict(told.candidate)),
        wants_active=wanted(shadow.decision) if shadow.decision else None,
        differences=[DifferenceView(**asdict(difference)) for difference in told.differences],
    )
