"""What a draft would have come to: both policies replayed over the recorded load, in dollars, GPU-hours, attainment."""

from __future__ import annotations

import asyncio
import pickle
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.backend import Back, Backend, Known
from app.api.computed import LINES, computed
from app.api.errors import problems
from app.api.policies import Newest, parsed
from app.api.schemas.schema import Schema
from app.daemon.memory import ServiceMemory
from app.daemon.start import HISTORY_S
from autoscaler.impact.recorded import SIGNALS, Recorded, on_grid, tick_of
from autoscaler.impact.replay import Came, Impact, Task
from collectors.downsample import thin

router = APIRouter(tags=["policies"])

SPANS_S: dict[str, float] = {"24h": 86400.0, "7d": 7 * 86400.0}
POINTS = 300


class ImpactAsk(Schema):
    """A draft, and how much of the past to replay it on."""

    policy: dict[str, Any]
    span: Literal["24h", "7d"] = "24h"


class ImpactSide(Schema):
    """One policy on that past; ``attainment`` is an estimate by the rule of docs/fluid.md, null without requests."""

    cost_usd: float
    gpu_hours: float
    attainment: float | None
    mean_active: float
    peak_active: int
    scale_outs: int
    scale_ins: int


class ImpactView(Schema):
    """Both policies over the same recorded load, and what that rests on.

    ``recorded_usd`` and ``recorded_attainment`` are what really was in that time, null where it was not recorded:
    ``replay_error`` is how far the replay of the policy in force is from it in dollars, as a share. Points are
    [time, replicas wanted in rotation].
    """

    service: str
    base_version: int
    start_s: float
    end_s: float
    tick_s: float
    requests: float
    unknown_s: float
    current: ImpactSide
    draft: ImpactSide
    delta_usd: float
    delta_gpu_hours: float
    delta_attainment: float | None
    delta_late: float
    recorded_usd: float | None
    recorded_attainment: float | None
    replay_error: float | None
    rests_on: list[str]
    wanted_current: list[tuple[float, float | None]]
    wanted_draft: list[tuple[float, float | None]]


class ImpactLine(Schema):
    """One line of the stream: how far it is, or the result, or why there is none."""

    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    result: ImpactView | None = None
    error: str | None = None


@router.post(
    "/policies/{service}/impact",
    responses=problems(404, 409, 422, 429) | {200: {"model": ImpactLine, "content": {LINES: {}}}},
    response_class=StreamingResponse,
)
async def impact(request: Request, ask: ImpactAsk, current: Newest, back: Back, known: Known) -> StreamingResponse:
    """Replay the policy in force and a draft over the recorded past; one JSON object a line. Changes nothing."""
    draft, errors = parsed(ask.policy)
    if draft is None:
        raise HTTPException(422, f"policy: {'; '.join(errors)}")
    recorded, before = await asyncio.to_thread(past_of, back, current.service, SPANS_S[ask.span])
    if not recorded.known.any():
        raise HTTPException(409, f"no load of {current.service} was recorded in the last {ask.span}; ask later")
    tuner = known.tuner
    task = Task(
        known.pool,
        known.control.learned,
        tuner.effective(current.policy),
        tuner.effective(draft),
        recorded,
        before,
    )

    def view(answer: bytes) -> ImpactView:
        return impact_view(current.service, current.version, pickle.loads(answer), known)

    return computed(request, "autoscaler.impact.worker", pickle.dumps(task), view)


def past_of(
    back: Backend, service: str, span_s: float
) -> tuple[Recorded, tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]]:
    """The recorded ticks of the span, as far back as there are any, and the load that was before them."""
    end_s = back.memory.ticked_at_s or back.now_s()
    start_s, tick_s = end_s - span_s, tick_of(span_s, back.memory.interval_s)
    read = [back.history.load(service, name, start_s) for name in SIGNALS]
    times = read[0][0]
    if len(times):
        start_s = max(start_s, float(times[0]) - tick_s)
    before, load = back.history.load(service, SIGNALS[0], start_s - HISTORY_S)
    earlier = before < start_s
    return on_grid(times, [values for _, values in read], start_s, end_s, tick_s), (before[earlier], load[earlier])


def impact_view(service: str, version: int, found: Impact, known: ServiceMemory) -> ImpactView:
    """The answer of the worker as the API shows it."""
    past, current, draft = found.recorded, found.current, found.draft
    usd, attained = really(past)
    error = None if usd is None or usd <= 0 else (current.cost_usd - usd) / usd
    sides = side(current, found), side(draft, found)
    late = None if sides[0].attainment is None or sides[1].attainment is None else sides
    return ImpactView(
        service=service,
        base_version=version,
        start_s=float(past.times[0]) - past.tick_s,
        end_s=float(past.times[-1]),
        tick_s=past.tick_s,
        requests=found.requests,
        unknown_s=found.unknown_s,
        current=sides[0],
        draft=sides[1],
        delta_usd=draft.cost_usd - current.cost_usd,
        delta_gpu_hours=(draft.gpu_s - current.gpu_s) / 3600,
        delta_attainment=(late[1].attainment or 0.0) - (late[0].attainment or 0.0) if late else None,
        delta_late=current.in_time - draft.in_time,
        recorded_usd=usd,
        recorded_attainment=attained,
        replay_error=error,
        rests_on=rests_on(found, known, error),
        wanted_current=points(past, found.wanted_current),
        wanted_draft=points(past, found.wanted_draft),
    )


def side(came: Came, found: Impact) -> ImpactSide:
    """One policy's figures."""
    seconds = len(found.recorded.times) * found.recorded.tick_s
    return ImpactSide(
        cost_usd=came.cost_usd,
        gpu_hours=came.gpu_s / 3600,
        attainment=came.in_time / found.requests if found.requests > 0 else None,
        mean_active=came.replica_s / seconds,
        peak_active=came.peak,
        scale_outs=came.outs,
        scale_ins=came.ins,
    )


def really(past: Recorded) -> tuple[float | None, float | None]:
    """What was paid, US dollars, where it was recorded throughout; and the attainment where it was measured."""
    paid = np.isfinite(past.usd_per_hour)
    usd = float(past.usd_per_hour.sum() * past.tick_s / 3600) if paid.all() else None
    judged = np.isfinite(past.attainment) & (past.arrivals_per_s > 0)
    weights = past.arrivals_per_s[judged]
    attained = float((past.attainment[judged] * weights).sum() / weights.sum()) if len(weights) else None
    return usd, attained


def points(past: Recorded, wanted: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[tuple[float, float | None]]:
    """At most so many points; spikes survive."""
    return list(thin(past.times, wanted, POINTS))


def rests_on(found: Impact, known: ServiceMemory, error: float | None) -> list[str]:
    """What the figures rest on, a sentence each."""
    past, hours = found.recorded, len(found.recorded.times) * found.recorded.tick_s / 3600
    said = [
        f"{len(past.times):,} ticks of {past.tick_s:g} s, {hours:.1f} h of recorded load with {found.requests:,.0f} "
        "requests; both policies decide at each and their fleets follow with the pool's lead times."
    ]
    if found.unknown_s > 0:
        said.append(f"For {found.unknown_s / 3600:.1f} h the load was not recorded: in money, not in attainment.")
    if error is not None:
        side = "more" if error > 0 else "less"
        said.append(
            f"Replayed, the policy in force comes to {abs(error):.0%} {side} money than was really paid in that time; "
            "differences smaller than that prove little."
        )
    else:
        said.append("What was really paid was not recorded throughout, so the replay could not be held against it.")
    said.append("Attainment is estimated by the fluid rule, judged for both by the SLO in force.")
    if known.control.more:
        said.append(f"Counted in replicas of the first pool, {known.pool.name}.")
    if known.tuner.choice is not None and known.in_effect != known.policy:
        said.append("Tuned knobs are laid over both.")
    said.append("Overrides, failed starts and sick replicas are not replayed.")
    return said
