"""What the last search for settings came to: the advice, the reason, and the regret."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from app.api.backend import Known
from app.api.errors import problems
from app.api.schemas.schema import Schema
from autoscaler.policy import TuningMode
from autoscaler.tuning.knobs import values

router = APIRouter(tags=["policies"])


class TuningView(Schema):
    """A service's knobs and what tuning says of them; null where nothing has been searched for yet.

    ``in_effect`` are the knobs that decisions are made by, ``advised`` those found best. They act in mode auto only,
    and there only where a router counts misses (``counted``); where misses are estimated, ``reason`` says so.
    With misses priced at ``price_replica_s`` each, ``gain`` is the share of cost that the switch saves on the past that
    was replayed, and ``regret`` what was really held over the best in hindsight, less one. ``trouble`` is why the last
    search failed.
    """

    service: str
    mode: Literal["off", "advise", "auto"]
    in_effect: dict[str, float]
    advised: dict[str, float] | None
    reason: str | None
    counted: bool | None
    switched_at_s: float | None
    gain: float | None
    regret: float | None
    price_replica_s: float | None
    trouble: str | None


@router.get("/policies/{service}/tuning", responses=problems(404))
async def one(service: str, known: Known) -> TuningView:
    """What tuning makes of the service's settings."""
    choice, mode = known.tuner.choice, known.policy.tuning.mode
    return TuningView(
        service=service,
        mode=MODES[mode],
        in_effect=values(known.in_effect),
        advised=choice.knobs if choice else None,
        reason=choice.sentence if choice else None,
        counted=choice.counted if choice else None,
        switched_at_s=known.tuner.switched_s,
        gain=choice.gain if choice else None,
        regret=choice.regret if choice else None,
        price_replica_s=choice.price.now_s if choice else None,
        trouble=known.tuning_trouble,
    )


MODES: dict[TuningMode, Literal["off", "advise", "auto"]] = {
    TuningMode.OFF: "off",
    TuningMode.ADVISE: "advise",
    TuningMode.AUTO: "auto",
}
