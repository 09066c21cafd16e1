"""Overrides in the store, beside the policies: made, lifted, and never forgotten who did either.

An override ends by itself; lifting it earlier is recorded, not erased. What is not over yet is read at every tick, so
a restart changes nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from autoscaler.safety.overrides import FLEET, Kind, Override
from autoscaler.store.audit import AuditLog, Change
from collectors.store import prepare

METADATA = sa.MetaData()

OVERRIDES = sa.Table(
    "overrides",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(120), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("replicas", sa.Integer),
    sa.Column("starts_at_s", sa.Double, nullable=False),
    sa.Column("until_s", sa.Double, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lifted_at_s", sa.Double),
    sa.Column("lifted_by", sa.String(200)),
    sa.Index("overrides_by_end", "until_s"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """An override as the store has it; ``lifted_at_s`` where somebody ended it early."""

    override: Override
    lifted_at_s: float | None = None
    lifted_by: str | None = None


class OverrideStore:
    """Overrides in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._audit = AuditLog(engine)
        prepare(engine, METADATA)

    def make(
        self, service: str, kind: Kind, replicas: int | None, now_s: float, until_s: float, author: str, reason: str
    ) -> Override:
        """Begin one now."""
        made = Override(uuid4().hex[:12], service, kind, replicas, now_s, until_s, author, reason)
        row = {name: getattr(made, name) for name in Override.__dataclass_fields__} | {"kind": kind.value}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(OVERRIDES), row)
            self._audit.write(connection, Change("override.make", service, author, reason, now_s, None, _told(row)))
        return made

    def lift(self, id: str, now_s: float, author: str) -> Kept:
        """End one early. Raises KeyError where there is none; one that is over already stays as it is."""
        over = sa.or_(OVERRIDES.c.lifted_at_s.is_not(None), OVERRIDES.c.until_s <= now_s)
        change = sa.update(OVERRIDES).where(OVERRIDES.c.id == id, sa.not_(over))
        with self._engine.begin() as connection:
            lifted = connection.execute(change.values(lifted_at_s=now_s, lifted_by=author)).rowcount > 0
            row = connection.execute(sa.select(OVERRIDES).where(OVERRIDES.c.id == id)).mappings().first()
            if lifted and row is not None:
                told = Change("override.lift", row["service"], author, "lifted early", now_s, _told(row), None)
                self._audit.write(connection, told)
        if row is None:
            raise KeyError(f"there is no override {id}")
        return _kept(row)

    def in_force(self, now_s: float) -> list[Override]:
        """Those that are not over, of all services, oldest first."""
        columns = OVERRIDES.c
        query = sa.select(OVERRIDES).where(columns.until_s > now_s, columns.lifted_at_s.is_(None))
        return [kept.override for kept in self._read(query.order_by(columns.starts_at_s, columns.id))]

    def history(self, service: str | None = None, limit: int = 100) -> list[Kept]:
        """Those of a service and of the fleet, or all; over or not, newest first."""
        query = sa.select(OVERRIDES).order_by(OVERRIDES.c.starts_at_s.desc(), OVERRIDES.c.id).limit(limit)
        if service is not None:
            query = query.where(OVERRIDES.c.service.in_((service, FLEET)))
        return self._read(query)

    def _read(self, query: sa.Select[Any]) -> list[Kept]:
        with self._engine.connect() as connection:
            return [_kept(row) for row in connection.execute(query).mappings()]


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "kind", "replicas", "starts_at_s", "until_s", "author", "reason")}


def _kept(row: Mapping[Any, Any]) -> Kept:
    values = {name: row[name] for name in Override.__dataclass_fields__}
    return Kept(Override(**values | {"kind": Kind(row["kind"])}), row["lifted_at_s"], row["lifted_by"])
