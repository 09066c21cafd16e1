"""What an operator may ask of a service's capacity: targets, limits, and how careful to be.

One model serves the YAML file, the API, the console and the published JSON Schema, so a field means the same
everywhere. Defaults are safe: shadow mode, no scale-in for five minutes after a peak, nothing on missing
data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d$"


class Mode(StrEnum):
    """What the controller may do."""

    OFF = "off"
    SHADOW = "shadow"
    AUTO = "auto"
    PAUSED = "paused"


class TuningMode(StrEnum):
    """What may become of the settings that replaying the recent past finds better."""

    OFF = "off"
    ADVISE = "advise"
    AUTO = "auto"


class Routing(StrEnum):
    """How requests find a replica: where least is to do, or whatever each has to do (in turn, by chance)."""

    BY_LOAD = "by-load"
    BLIND = "blind"


class Section(BaseModel):
    """Base of the policy's parts: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Slo(Section):
    """The latency promise."""

    ttft_s: float = Field(2.0, gt=0, le=600, description="Time to first token, seconds.")
    ttft_s_per_1k_tokens: float = Field(
        0.0, ge=0, le=60, description="Seconds that the TTFT target grows with each 1,000 prompt tokens."
    )
    tpot_s: float = Field(0.05, gt=0, le=10, description="Time per output token, seconds.")
    attainment: float = Field(0.99, gt=0.5, lt=1, description="Share of requests that must meet both targets.")


class Replicas(Section):
    """Hard bounds on replicas in rotation."""

    min: int = Field(1, ge=0, le=10_000, description="Never fewer active replicas than this.")
    max: int = Field(10, ge=1, le=10_000, description="Never more active, standby and asleep replicas together.")
    idle_s: float = Field(
        300.0, ge=0, description="With min 0: after so long without any request the service may go to zero, seconds."
    )

    @model_validator(mode="after")
    def ordered(self) -> Replicas:
        """The lower bound is not above the upper one."""
        if self.min > self.max:
            raise ValueError(f"min {self.min} is greater than max {self.max}; give a min of at most {self.max}")
        return self


class Standby(Section):
    """How replicas that are ready but not in rotation are kept."""

    min: int = Field(0, ge=0, le=1_000, description="Keep at least this many, whatever they cost.")
    max: int = Field(4, ge=0, le=1_000, description="Most standby and asleep replicas together.")
    tier: str = Field("standby", pattern="^(standby|asleep)$", description="Where spare replicas wait.")

    @model_validator(mode="after")
    def ordered(self) -> Standby:
        """The lower bound is not above the upper one."""
        if self.min > self.max:
            raise ValueError(f"min {self.min} is greater than max {self.max}; give a min of at most {self.max}")
        return self


class Risk(Section):
    """What being short costs against what holding costs; their ratio is the quantile of DESIGN 4."""

    shortage_usd_per_replica_hour: float = Field(
        100.0, gt=0, description="Loss while one replica's worth of demand is not served, USD per hour."
    )
    headroom: float = Field(
        1.0, ge=0.5, le=3, description="Factor on the forecast load; 1.0 trusts the quantile as it is."
    )
    spot_base: float = Field(
        0.5, ge=0, lt=1, description="Quantile of the load that is left served when one type of spot GPU goes at once."
    )


class Reactive(Section):
    """The reactive floor: the law on measured latency (P90 over its target, 1.0 is the target itself), and where
    saturation begins.
    """

    scale_out_above: float = Field(
        1.0, gt=0, le=2, description="Above this ratio the latency law asks for more replicas."
    )
    scale_in_below: float = Field(0.85, gt=0, le=2, description="Below this ratio the latency law lets replicas go.")
    load_factor: float = Field(
        1.0, ge=1, le=4, description="Factor on the load that is here now; above 1 the floor is a proportional rule."
    )
    kv_above: float = Field(
        0.9, gt=0, le=1, description="Above this mean share of KV memory in use more replicas are asked for at once."
    )
    waiting_above: float = Field(
        5.0, ge=0, description="Above so many waiting requests per replica in rotation more are asked for at once."
    )
    preemptions_above_per_min: float = Field(
        6.0, ge=0, description="Above so many preemptions per replica and minute more are asked for at once."
    )

    @model_validator(mode="after")
    def ordered(self) -> Reactive:
        """There is a dead band between the two."""
        if self.scale_in_below > self.scale_out_above:
            raise ValueError(
                f"scale_in_below {self.scale_in_below} is greater than scale_out_above {self.scale_out_above}; "
                f"give at most {self.scale_out_above}"
            )
        return self


class ScaleOut(Section):
    """How fast the fleet may grow."""

    max_step: int = Field(8, ge=1, description="Most replicas added in one decision.")
    max_factor: float = Field(2.0, gt=1, description="Most growth in one decision, as a factor of the present fleet.")


class ScaleIn(Section):
    """How carefully the fleet may shrink."""

    window_s: float = Field(300.0, ge=0, description="Shrink only to the highest need seen in this window, seconds.")
    cooldown_s: float = Field(60.0, ge=0, description="Pause after a scale-in before the next, seconds.")
    max_step: int = Field(2, ge=1, description="Most replicas removed in one decision.")
    settle_after_restart_s: float = Field(
        300.0, ge=0, description="No scale-in for this long after the daemon starts, seconds."
    )
    drain_deadline_s: float = Field(
        900.0, gt=0, description="A drain that takes longer is reported; requests are never aborted for it, seconds."
    )


class Oscillation(Section):
    """When going out and in and out again is too much, and how it is calmed."""

    turns: int = Field(6, ge=2, description="So many changes of direction are too many: the service is restless.")
    within_s: float = Field(1800.0, gt=0, le=86400, description="Changes of direction count for so long, seconds.")
    widen: float = Field(2.0, ge=1, le=10, description="While restless, scale-in window and cooldown are this factor.")
    calm_s: float = Field(1800.0, gt=0, le=86400, description="How long a service stays restless, seconds.")


class Shift(Section):
    """A line of the weekly table: so many replicas at least, from then to then."""

    days: tuple[Day, ...] = Field(DAYS, min_length=1, description="Days on which it begins; every day if absent.")
    start: str = Field(pattern=TIME_OF_DAY, description="Begins at this time of day, in quotes: '08:00'.")
    end: str = Field(pattern=TIME_OF_DAY, description="Ends at this time; not after start means on the next day.")
    min: int = Field(ge=1, le=10_000, description="At least so many active replicas meanwhile.")
    time_zone: str = Field("UTC", description="Time zone of both times, such as Europe/Berlin.")

    @field_validator("time_zone")
    @classmethod
    def known(cls, name: str) -> str:
        """The time zone database knows it."""
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"time zone {name!r} is not known; give one such as UTC or Europe/Berlin") from None
        return name

    def days_text(self) -> str:
        """``every day``, or the days by name."""
        return "every day" if set(self.days) == set(DAYS) else ", ".join(self.days)


class Tuning(Section):
    """How the controller's own knobs follow the recent past; targets, bounds and budget are no knobs."""

    mode: TuningMode = Field(
        TuningMode.ADVISE, description="off | advise (find better settings, say so) | auto (and use them)."
    )
    every_s: float = Field(3600.0, ge=300, le=86400, description="Time between two searches, seconds.")
    over_s: float = Field(86400.0, ge=3600, le=7 * 86400, description="How much of the past is replayed, seconds.")
    margin: float = Field(
        0.01, ge=0, le=0.5, description="A switch must gain this share of the present settings' cost, misses priced in."
    )


class KnownEvent(Section):
    """Something that operators know and no history shows: a launch, a campaign, a holiday."""

    name: str = Field(min_length=1, max_length=100, description="What it is called in explanations.")
    starts_at: AwareDatetime = Field(description="When it begins, with a time zone: 2026-12-01T14:00:00+01:00.")
    duration_s: float = Field(gt=0, le=31 * 86400, description="How long it lasts, seconds.")
    factor: float = Field(gt=0, le=100, description="Load expected during it, as a multiple of the usual.")


class Policy(Section):
    """How one service is scaled."""

    mode: Mode = Field(Mode.SHADOW, description="off | shadow (decide, do not act) | auto | paused.")
    paused_until_s: float | None = Field(
        None, description="With mode paused: UTC seconds at which auto resumes; without it, paused until changed."
    )
    slo: Slo = Slo()
    routing: Routing = Field(
        Routing.BY_LOAD,
        description="by-load (the router sends where least is to do) | blind (round robin, random: a plain Service).",
    )
    replicas: Replicas = Replicas()
    standby: Standby = Standby()
    risk: Risk = Risk()
    reactive: Reactive = Reactive()
    scale_out: ScaleOut = ScaleOut()
    scale_in: ScaleIn = ScaleIn()
    oscillation: Oscillation = Oscillation()
    schedule: tuple[Shift, ...] = Field((), description="Weekly table: from when to when at least so many replicas.")
    budget_usd_per_hour: float | None = Field(
        None, gt=0, description="Cap on what all replicas of the service may cost, USD per hour."
    )
    priority: int = Field(
        0, ge=-100, le=100, description="Where GPUs or money are short, services of a higher priority come first."
    )
    tuning: Tuning = Tuning()
    events: tuple[KnownEvent, ...] = Field((), description="Known events; the forecast counts with them.")
    stale_after_s: float = Field(
        60.0, gt=0, description="Data older than this is stale: hold, never scale in, seconds."
    )

    @model_validator(mode="after")
    def consistent(self) -> Policy:
        """A pause with an end needs the mode ``paused``."""
        if self.paused_until_s is not None and self.mode is not Mode.PAUSED:
            raise ValueError("paused_until_s is set but mode is not paused; set mode: paused or remove it")
        return self

    @model_validator(mode="after")
    def schedulable(self) -> Policy:
        """No shift asks for more than the upper bound allows."""
        for shift in self.schedule:
            if shift.min > self.replicas.max:
                raise ValueError(
                    f"schedule: min {shift.min} from {shift.start} is greater than replicas.max {self.replicas.max}; "
                    f"give at most {self.replicas.max}"
                )
        return self
