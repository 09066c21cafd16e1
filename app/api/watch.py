"""The watch over a policy just applied: begin it, read it, end it by hand."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, HTTPException

from app.api.backend import Back, Backend, Known
from app.api.errors import problems
from app.api.schemas.trials import BurnView, Signed, WatchView
from autoscaler.canary import watch as canary
from autoscaler.canary.watch import Outcome, Watch
from autoscaler.policy import Mode
from autoscaler.store.audit import Change
from autoscaler.store.policies import Version
from autoscaler.store.trials import TrialStore

router = APIRouter(tags=["policies"])


@router.get("/policies/{service}/watch", responses=problems(404))
async def one(service: str, back: Back, known: Known) -> WatchView:
    """The service's newest watch, running or over."""
    return view(await watch_of(service, back))


@router.post("/policies/{service}/watch/end", responses=problems(404, 409, 422))
async def end(service: str, by: Signed, back: Back, known: Known) -> WatchView:
    """Stop watching: the version stays in force, whatever it does."""
    watch = await watch_of(service, back)
    done = canary.ended(watch, Outcome.ENDED, f"ended by {by.author}: {by.reason}", back.now_s())
    told = Change("watch.end", service, by.author, by.reason, back.now_s(), {"version": watch.version}, None)
    if not watch.open or not await asyncio.to_thread(back.trials.watches.keep, done, told):
        raise HTTPException(409, f"the watch of {service} is over already")
    known.watch = done
    return view(done)


async def watch_of(service: str, back: Backend) -> Watch:
    """The service's newest watch; 404 where it never had one."""
    found = await asyncio.to_thread(back.trials.watches.newest, service)
    if found is None:
        raise HTTPException(404, f"no policy of {service} has been on watch yet")
    return found


def begin(watches: TrialStore[Watch], version: Version, watch_s: float) -> None:
    """Put a version just written on watch. A policy that does not act moves nothing, so there is nothing to watch."""
    if watch_s <= 0 or version.policy.mode is not Mode.AUTO or version.version <= 1:
        return
    objective, base = version.policy.slo.attainment, version.version - 1
    watch = canary.begin(version.service, version.version, base, objective, watch_s, version.at_s)
    watches.put(watch, replaces_open=True)


def view(watch: Watch) -> WatchView:
    """A watch as the API shows it."""
    before = watch.before
    requests, late = sum(s.requests for s in watch.samples), sum(s.late for s in watch.samples)
    return WatchView(
        service=watch.service,
        version=watch.version,
        base_version=watch.base_version,
        started_at_s=watch.started_at_s,
        ended_at_s=watch.ended_at_s,
        outcome=watch.outcome.value,
        said=watch.said,
        watch_s=watch.watch_s,
        left_s=watch.left_s,
        missing_s=watch.missing_s,
        late_before=before.share if before and before.requests > 0 else None,
        late_after=late / requests if requests > 0 else None,
        requests=requests,
        burns=[
            BurnView(limit=burn.alert.burn, long_s=burn.long_s, short_s=burn.short_s, long=burn.long, short=burn.short)
            for burn in canary.burns(watch)
        ],
    )
