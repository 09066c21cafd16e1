"""What the API says of policies, and what it takes to change one."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.api.schemas.schema import Author, Reason, Schema


class FieldChange(Schema):
    """One field that differs."""

    field: str
    old: Any
    new: Any


class PolicyVersion(Schema):
    """One version of a service's policy."""

    service: str
    version: int
    at_s: float
    author: str
    reason: str
    policy: dict[str, Any]


class PolicyWrite(Schema):
    """A change: refused with 409 where ``base_version`` is no longer the newest.

    A policy in mode auto is then on watch for ``watch_s`` seconds of measured time, and is taken back by itself where
    the error budget burns faster than before; 0 is no watch.
    """

    policy: dict[str, Any]
    base_version: int
    author: Author
    reason: Reason
    watch_s: float = Field(1800.0, ge=0, le=21600, allow_inf_nan=False)


class PolicyRollback(Schema):
    """Go back to ``to_version`` by a new version with its content."""

    to_version: int
    base_version: int
    author: Author
    reason: Reason


class PolicyDiff(Schema):
    """Two policies against each other, by field and as unified YAML."""

    changes: list[FieldChange]
    yaml_diff: str


class PolicyCheck(Schema):
    """A validated draft: errors (``field: what is wrong``) and, where there are none, the diff.

    ``warnings`` do not stop it: it works, but not for the load that is there now. Where policies are committed and not
    edited here, ``commit`` is the YAML of the resource that says it. ``second_person`` are the changed fields that
    somebody else has to approve: such a draft is proposed and not applied.
    """

    valid: bool
    errors: list[str]
    diff: PolicyDiff | None = None
    warnings: list[str] = Field(default_factory=list)
    commit: str | None = None
    second_person: list[str] = Field(default_factory=list)
