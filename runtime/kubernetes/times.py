"""Kubernetes writes times as RFC 3339 text; inside they are UTC epoch seconds. Two forms are written, and not at will:
an object's time has whole seconds, a Lease's or Event's exactly six fractional digits (anything else is refused).
"""

from __future__ import annotations

from datetime import UTC, datetime


def seconds(text: str) -> float:
    """UTC epoch seconds of an RFC 3339 time. Raises ValueError for anything else."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} names no zone; it should end in Z or an offset")
    return at.timestamp()


def micro(at_s: float) -> str:
    """As a Lease or an Event wants it: ``2026-11-21T04:41:42.000000Z``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole(at_s: float) -> str:
    """As annotations and conditions have it: ``2026-11-21T04:41:42Z``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
