"""What an API server may refuse, told apart by what the caller can do about it.

A 409 has three meanings and a 429 two; neither the status nor the reason alone tells them apart. Messages are one line
of bounded length: a type error quotes the whole object back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 300
"""Characters of a message that are kept."""


class KubeError(Exception):
    """Any answer that is not a success; ``status`` is 0 where there was none."""

    def __init__(self, message: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(shorten(message))
        self.status = status
        self.retry_after_s = retry_after_s


class Unreachable(KubeError):
    """No answer: connection, TLS or timeout."""


class Unavailable(KubeError):
    """The server is in trouble (5xx); the same may work later."""


class Unauthorized(KubeError):
    """The credentials are not known (any more)."""


class Forbidden(KubeError):
    """No right to do that, or a quota is used up; comes before NotFound."""


class NotFound(KubeError):
    """No such object."""


class NotServed(NotFound):
    """No such resource: its CRD is not installed."""


class Conflict(KubeError):
    """The object has changed since it was read, or is another one: read again."""


class FieldManagerConflict(KubeError):
    """Another manager owns the field: trying again cannot help."""


class AlreadyExists(KubeError):
    """The name is taken."""


class Gone(KubeError):
    """The resourceVersion is older than the server remembers: list again."""


class TooManyRequests(KubeError):
    """Throttled; nothing was done."""


class BudgetBlocked(KubeError):
    """A PodDisruptionBudget allows no eviction now; the server names no time."""


class Invalid(KubeError):
    """The server understood and refuses: a mistake of ours, or a JSON patch whose ``test`` failed."""


class Refused(KubeError):
    """Any other 4xx: a mistake of ours."""


BY_STATUS: Mapping[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Gone,
    422: Invalid,
}


def shorten(message: str) -> str:
    """One line of at most ``LONGEST`` characters, its middle left out."""
    line = " ".join(message.split())
    if len(line) <= LONGEST:
        return line
    half = (LONGEST - 3) // 2
    return f"{line[:half]}...{line[-half:]}"


def error_of(status: int, body: object, retry_after: str | None = None) -> KubeError:
    """The error for an answer: its body as JSON or, where it was none, as text."""
    if not isinstance(body, Mapping):
        kind = NotServed if status == 404 else _kind(status, None, ())
        return kind(str(body).strip() or f"status {status}", status, _retry_s(retry_after, {}))
    details = body.get("details") or {}
    causes: list[Mapping[str, Any]] = details.get("causes") or []
    kind = _kind(status, body.get("reason"), [cause.get("reason") for cause in causes])
    message = str(body.get("message") or f"status {status}")
    if kind is BudgetBlocked:
        message = f"{message} {causes[0].get('message', '')}"
    return kind(message, status, _retry_s(retry_after, details))


def _kind(status: int, reason: object, causes: Sequence[object]) -> type[KubeError]:
    if status == 409:
        if "FieldManagerConflict" in causes:
            return FieldManagerConflict
        return AlreadyExists if reason == "AlreadyExists" else Conflict
    if status == 429:
        return BudgetBlocked if "DisruptionBudget" in causes else TooManyRequests
    if status >= 500:
        return Unavailable
    return BY_STATUS.get(status, Refused)


def _retry_s(header: str | None, details: Mapping[str, Any]) -> float | None:
    """Seconds to wait, from the header or the body; a date in the header is no number and is left out."""
    told = header if header is not None and header.isdigit() else details.get("retryAfterSeconds")
    return None if told is None else float(told)
