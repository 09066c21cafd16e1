"""Reads: the racks, with what they hold and why."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.backend import Back
from app.api.schemas.fleet import RackRow
from app.daemon.memory import RackMemory

router = APIRouter(tags=["fleet"])


@router.get("/racks")
async def racks(back: Back) -> list[RackRow]:
    """GPUs that several services share, in the order of the fleet file; none where there is no rack."""
    return [rack_row(known) for known in back.memory.racks.values()]


def rack_row(known: RackMemory) -> RackRow:
    """One rack, as the fleet told of it last and as it was decided on last."""
    rack, told = known.rack, known.told
    found, decision = (known.considered.found, known.considered.decision) if known.considered else (None, None)
    return RackRow(
        rack=rack.name,
        services=list(known.services),
        gpu=rack.gpu,
        max_gpus=rack.max_gpus,
        lead_time_p90_s=rack.lead_time.p90_s,
        held=told.held if told else None,
        used=told.used if told else None,
        lent=told.lent if told else None,
        ordered=told.ordered if told else None,
        idle_usd_per_hour=known.idle_usd_per_hour,
        wanted=decision.gpus if decision else None,
        needed_together=found.together if found else None,
        needed_apart=found.apart if found else None,
        tau=decision.tau if decision else None,
        at_s=decision.at_s if decision else None,
        acts=decision.act if decision else None,
        binding=decision.binding if decision else None,
        sentence=decision.sentence if decision else None,
    )
