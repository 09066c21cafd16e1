"""API tokens in the store: made once, shown once, kept as a hash, and over when they expire or are revoked.

A token is ``leadtime_ID_SECRET``. The secret has 256 random bits, so a plain SHA-256 of it cannot be guessed back and a
slow hash would only slow us down. Promise: what is in the store lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from app.access.principal import NotLetIn, Principal, Role
from autoscaler.store.audit import AuditLog, Change
from collectors.store import prepare

PREFIX = "leadtime"
ID_BYTES = 6
SECRET_BYTES = 32
NO_HASH = "0" * 64
"""Compared with where there is no such token, so that both take the same time."""

METADATA = sa.MetaData()

TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("services", sa.JSON),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("made_at_s", sa.Double, nullable=False),
    sa.Column("made_by", sa.String(200), nullable=False),
    sa.Column("expires_at_s", sa.Double),
    sa.Column("revoked_at_s", sa.Double),
    sa.Column("revoked_by", sa.String(200)),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. ``services`` is None for all, ``expires_at_s`` for never; times are UTC seconds."""

    id: str
    name: str
    role: Role
    services: frozenset[str] | None
    made_at_s: float
    made_by: str
    expires_at_s: float | None = None
    revoked_at_s: float | None = None
    revoked_by: str | None = None
    hash: str = field(default=NO_HASH, repr=False)

    def state(self, now_s: float) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked_at_s is not None:
            return "revoked"
        return "expired" if self.expires_at_s is not None and now_s >= self.expires_at_s else "valid"

    @property
    def principal(self) -> Principal:
        """Who holds it."""
        return Principal(self.name, self.role, f"token {self.id}", self.services)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new token is to be: seconds from now until it expires, None for never."""

    name: str
    role: Role
    services: frozenset[str] | None = None
    expires_in_s: float | None = None


class TokenStore:
    """Tokens in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._engine = engine
        self._random = random
        self._audit = AuditLog(engine)
        prepare(engine, METADATA)

    def make(self, wish: Wish, by: str, reason: str, now_s: float) -> tuple[Token, str]:
        """A new token and its text, which is not kept."""
        id, secret = self._random(ID_BYTES).hex(), self._random(SECRET_BYTES).hex()
        expires_at_s = None if wish.expires_in_s is None else now_s + wish.expires_in_s
        made = Token(id, wish.name, wish.role, wish.services, now_s, by, expires_at_s, hash=hashed(secret))
        with self._engine.begin() as connection:
            connection.execute(sa.insert(TOKENS), _row(made))
            self._audit.write(connection, Change("token.create", made.name, by, reason, now_s, None, _told(made)))
        return made, f"{PREFIX}_{id}_{secret}"

    def all(self) -> list[Token]:
        """Every token, valid or over, newest first."""
        query = sa.select(TOKENS).order_by(TOKENS.c.made_at_s.desc(), TOKENS.c.id)
        with self._engine.connect() as connection:
            return [_token(row) for row in connection.execute(query).mappings()]

    def get(self, id: str) -> Token | None:
        """The token of that id."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(TOKENS).where(TOKENS.c.id == id)).mappings().first()
        return None if row is None else _token(row)

    def revoke(self, id: str, by: str, reason: str, now_s: float) -> Token:
        """End it for good. Raises KeyError where there is none; one that is revoked already stays as it is."""
        change = sa.update(TOKENS).where(TOKENS.c.id == id, TOKENS.c.revoked_at_s.is_(None))
        found = self.get(id)
        if found is None:
            raise KeyError(f"there is no token {id}")
        with self._engine.begin() as connection:
            if connection.execute(change.values(revoked_at_s=now_s, revoked_by=by)).rowcount > 0:
                self._audit.write(connection, Change("token.revoke", found.name, by, reason, now_s, _told(found)))
        return self.get(id) or found

    def principal(self, text: str, now_s: float) -> Principal:
        """Who holds this token; raises ``NotLetIn``. What it says depends on the secret, never on the id alone."""
        _, _, rest = text.partition("_")
        id, _, secret = rest.partition("_")
        found = self.get(id)
        if not hmac.compare_digest(found.hash if found else NO_HASH, hashed(secret)) or found is None:
            raise NotLetIn("the token is not valid")
        state = found.state(now_s)
        if state != "valid":
            raise NotLetIn(f"the token {found.id} is {state}; make a new one with leadtime token create")
        return found.principal


def is_token(text: str) -> bool:
    """Whether a credential looks like one of ours."""
    return text.startswith(f"{PREFIX}_")


def hashed(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _told(token: Token) -> dict[str, Any]:
    return {name: value for name, value in _row(token).items() if name in ("id", "role", "services", "expires_at_s")}


def _row(token: Token) -> dict[str, Any]:
    names = [column.name for column in TOKENS.columns]
    row = {name: getattr(token, name) for name in names}
    services = None if token.services is None else sorted(token.services)
    return row | {"role": token.role.value, "services": services}


def _token(row: Mapping[Any, Any]) -> Token:
    services = None if row["services"] is None else frozenset(row["services"])
    return Token(**{**row, "role": Role(row["role"]), "services": services})
