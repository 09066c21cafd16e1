"""What the API says of decisions, and why each came out as it did."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.api.schemas.schema import Schema


class QuantileView(Schema):
    """A quantile that a decision took from its forecast: of the greatest load within ``horizon_s``; ``erlangs`` is
    with the policy's headroom."""

    horizon_s: float
    tau: float
    erlangs: float


class ConstraintView(Schema):
    """One number that took part in a decision; ``binds`` marks the one that decided.

    ``quantiles`` are those of the forecast that it rests on; only the forecast's own constraint has any.
    """

    name: str
    replicas: int
    binds: bool
    detail: str
    quantiles: list[QuantileView] = Field(default_factory=list)


class AlternativeView(Schema):
    """What would have made it another number: ``text`` says it; ``erlangs`` is the load at which it turns, if any."""

    replicas: int
    name: str
    erlangs: float | None
    after_s: float
    text: str


class TurnedView(Schema):
    """A knob that tuning turned: what the policy version says (``own``), and what was decided by (``now``)."""

    name: str
    own: float
    now: float


class DecisionRow(Schema):
    """One decision, without its inputs.

    ``alternatives`` say what would have changed it; ``usd_per_hour_now`` is what is held costs, ``usd_per_hour_then``
    what it costs once the plan is carried out. ``tuned`` is where the policy that decided is not ``policy_version``'s.
    """

    id: str
    service: str
    at_s: float
    mode: str
    current_active: int
    desired_active: int
    desired_standby: int
    desired_asleep: int
    binding: str
    sentence: str
    applied: bool
    constraints: list[ConstraintView]
    policy_version: int
    alternatives: list[AlternativeView] = Field(default_factory=list)
    usd_per_hour_now: float | None = None
    usd_per_hour_then: float | None = None
    tuned: list[TurnedView] = Field(default_factory=list)


class DecisionDetail(DecisionRow):
    """One decision with everything it was made from."""

    inputs: dict[str, Any]


class ReplayResult(Schema):
    """Whether deciding again on the stored inputs gives the same decision, bit for bit."""

    id: str
    identical: bool
