"""What Leadtime wants of a service, asked of the daemon's API, or why that cannot be said.

Promise: a number is given only where a decision stands behind it that is fresh and that the policy's mode lets others
act on. Everything else is a ``NotKnown``, never a zero: KEDA would take that for an empty fleet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import httpx
from pydantic import BaseModel, Field, ValidationError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""As in the fleet file; nothing else is put into an address."""

TIMEOUT_S = 2.0
"""The API answers from memory, so whoever takes longer is not well; KEDA waits meanwhile."""

ACTED_ON = ("shadow", "auto")


class Why(StrEnum):
    """The kinds of not knowing, by the names of gRPC's status codes."""

    WRONG = "INVALID_ARGUMENT"
    UNKNOWN = "NOT_FOUND"
    HELD = "FAILED_PRECONDITION"
    AWAY = "UNAVAILABLE"


class NotKnown(Exception):
    """No number can be given; ``str(error)`` is one line."""

    def __init__(self, why: Why, line: str) -> None:
        super().__init__(" ".join(line.split()))
        self.why = why


class Counts(BaseModel):
    """The one count that we read."""

    desired_active: int | None = Field(ge=0)


class Row(BaseModel):
    """What we read of the API's ``ServiceRow``; a daemon of another version may say more."""

    mode: str
    stale: bool
    data_age_s: float | None
    replicas: Counts


def service_of(metadata: Mapping[str, str], api: str) -> str:
    """The service that a trigger names. An address of another API is refused: we ask nobody on a stranger's word."""
    service = metadata.get("service", "")
    if not NAME.fullmatch(service):
        raise NotKnown(Why.WRONG, f"metadata.service: {service!r} is no name of a service; give one of the fleet file")
    other = metadata.get("api", api)
    if other.rstrip("/") != api.rstrip("/"):
        raise NotKnown(Why.WRONG, f"metadata.api: this scaler asks {api} alone; leave the key out")
    return service


def desired(service: str, row: Row) -> int:
    """Replicas that should be active; raises ``NotKnown`` where that is not known or not to be acted on."""
    if row.mode not in ACTED_ON:
        raise NotKnown(Why.HELD, f"{service}: mode {row.mode}; the scaler answers in {' and '.join(ACTED_ON)}")
    if row.stale:
        age = "no data yet" if row.data_age_s is None else f"data are {row.data_age_s:.0f} s old"
        raise NotKnown(Why.HELD, f"{service}: {age}")
    if row.replicas.desired_active is None:
        raise NotKnown(Why.HELD, f"{service}: nothing decided yet")
    return row.replicas.desired_active


@dataclass(frozen=True, slots=True)
class Asked:
    """The API at ``api``; the client is the caller's to close."""

    api: str
    client: httpx.AsyncClient

    async def desired(self, service: str) -> int:
        """Replicas of a service that should be active now; raises ``NotKnown``."""
        url = f"{self.api.rstrip('/')}/api/v1/services/{service}"
        try:
            answer = await self.client.get(url, timeout=TIMEOUT_S)
        except httpx.TransportError as error:
            raise NotKnown(Why.AWAY, f"{self.api}: no answer ({error or type(error).__name__})") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotKnown(Why.UNKNOWN, f"{service}: the API knows no such service")
        if answer.status_code != httpx.codes.OK:
            raise NotKnown(Why.AWAY, f"{self.api}: answers with {answer.status_code}")
        try:
            row = Row.model_validate_json(answer.content)
        except ValidationError as error:
            raise NotKnown(Why.AWAY, f"{self.api}: answers, but not as the Leadtime API does") from error
        return desired(service, row)
