"""What the API says of who asks and of tokens; times are UTC seconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.access.principal import Role
from app.api.schemas.schema import Author, Reason, Schema

LONGEST_S = 3650 * 86400.0
ServiceName = Annotated[str, Field(min_length=1, max_length=120)]


class Me(Schema):
    """Who the API takes the caller for; ``name`` is null where nobody is asked, ``services`` where all are theirs."""

    name: str | None
    role: Role
    services: list[str] | None
    by: str


class TokenWrite(Schema):
    """A token to make; ``expires_in_s`` null is for ever, ``services`` null is all of them."""

    name: str = Field(min_length=1, max_length=200)
    role: Role
    services: list[ServiceName] | None = Field(None, min_length=1, max_length=1000)
    expires_in_s: float | None = Field(90 * 86400.0, gt=0, le=LONGEST_S, allow_inf_nan=False)
    author: Author
    reason: Reason


class TokenEnd(Schema):
    """Who revokes a token, and why."""

    author: Author
    reason: Reason


class TokenView(Schema):
    """A token without its secret; times are UTC seconds of the machine's clock."""

    id: str
    name: str
    role: Role
    services: list[str] | None
    state: str
    made_at_s: float
    made_by: str
    expires_at_s: float | None
    revoked_at_s: float | None
    revoked_by: str | None


class TokenMade(TokenView):
    """A token with its text, which is shown this once."""

    token: str
