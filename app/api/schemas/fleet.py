"""What the API says of the whole fleet: the five-second screen, what needs attention, and racks that are shared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.schema import Schema
from app.api.schemas.services import ServiceRow


class ClockInfo(Schema):
    """The daemon's time; ``speed`` is above 1 where it is virtual."""

    now_s: float
    speed: float


class GpuCounts(Schema):
    """GPUs by use; idle_held are occupied by a replica that does nothing."""

    busy: int
    idle_held: int
    idle: int
    faulty: int = 0


class AttentionItem(Schema):
    """Something an operator should look at, worst first."""

    severity: Literal["critical", "warning", "info"]
    service: str
    text: str


class FleetView(Schema):
    """The five-second screen."""

    clock: ClockInfo
    attainment: float | None
    usd_per_million_tokens: float | None
    usd_per_hour: float
    gpus: GpuCounts
    replicas_active: int
    replicas_desired: int | None
    standby_ready: int
    asleep: int
    risk_of_shortfall: float | None
    data_age_s: float | None
    stale: bool
    services: list[ServiceRow]
    attention: list[AttentionItem]
    sparklines: dict[str, list[float | None]] = Field(default_factory=dict)


class RackRow(Schema):
    """GPUs that several services share: what the fleet says of them, and what was decided last, in GPUs.

    ``lent`` are held and nobody is awake on them; ``idle_usd_per_hour`` is what they still cost. The services together
    may need ``needed_together`` with probability ``tau`` before more could be there; each insured for itself,
    ``needed_apart``. ``acts`` is False while one of the services is not in auto mode. Null before the first look.
    """

    rack: str
    services: list[str]
    gpu: str
    max_gpus: int
    lead_time_p90_s: float
    held: int | None
    used: int | None
    lent: int | None
    ordered: int | None
    idle_usd_per_hour: float | None
    wanted: int | None
    needed_together: int | None
    needed_apart: int | None
    tau: float | None
    at_s: float | None
    acts: bool | None
    binding: str | None
    sentence: str | None
