"""What the API says of the audit; times are UTC seconds."""

from __future__ import annotations

from typing import Any

from app.api.schemas.policies import FieldChange
from app.api.schemas.schema import Schema


class AuditRow(Schema):
    """One change. ``by`` is how who acted was known; ``changes`` are the fields that differ, by their dotted names."""

    seq: int
    at_s: float
    who: str
    by: str
    address: str
    action: str
    subject: str
    reason: str
    changes: list[FieldChange]
    hash: str


class AuditDetail(AuditRow):
    """One change with all that was before and after, and what it was sealed with."""

    before: Any
    after: Any
    previous: str


class AuditVerdict(Schema):
    """What following the whole chain came to; ``broken`` names the first link that does not hold, null if all do.

    ``head`` is the hash of the last good entry: noted elsewhere, it shows later that nothing was cut off.
    """

    entries: int
    head: str
    broken: str | None
