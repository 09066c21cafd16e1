"""What the API says of what is held by hand: freezes, pins, floors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.schema import Author, Reason, Schema

OverrideKind = Literal["freeze", "pin", "at_least"]


class FreezeWrite(Schema):
    """A freeze of the whole fleet for ``for_s`` seconds from now."""

    for_s: float = Field(gt=0, le=31 * 86400.0)
    author: Author
    reason: Reason


class OverrideWrite(FreezeWrite):
    """Something to hold by hand for ``for_s`` seconds from now: a freeze, or so many replicas."""

    kind: OverrideKind
    replicas: int | None = Field(None, ge=0, le=10_000)


class OverrideLift(Schema):
    """Who ends an override early."""

    author: Author


class OverrideView(Schema):
    """An override; ``service`` is null where it is the fleet's. ``lifted_by`` where somebody ended it early."""

    id: str
    service: str | None
    kind: OverrideKind
    replicas: int | None
    starts_at_s: float
    until_s: float
    author: str
    reason: str
    in_force: bool
    lifted_at_s: float | None = None
    lifted_by: str | None = None
