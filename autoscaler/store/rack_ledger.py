"""The memory of every decision about a rack, beside the services' ledger and with its promises.

A decision is written before it is applied and marked after it, an id is unique, and the newest one gives back what was
remembered, so a restart goes on where it was. What it was made from is kept with it: it is a few numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from autoscaler.sharing.controller import ConsideredRack
from autoscaler.sharing.rack import RackState
from autoscaler.store.codec import decode, encode
from autoscaler.store.packed import pack, unpack
from collectors.store import insert, prepare

METADATA = sa.MetaData()

RACK_DECISIONS = sa.Table(
    "rack_decisions",
    METADATA,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("rack", sa.String(120), nullable=False),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("act", sa.Boolean, nullable=False),
    sa.Column("applied_at_s", sa.Double),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Index("rack_decisions_by_rack", "rack", "at_s"),
)


@dataclass(frozen=True, slots=True)
class RackEntry:
    """A remembered decision with what it was made from; ``applied_at_s`` is None until it is applied."""

    considered: ConsideredRack
    applied_at_s: float | None


class RackLedger:
    """Decisions about racks in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def record_many(self, records: Sequence[ConsideredRack]) -> None:
        """Write several in one transaction; an id that is there already is left as it is."""
        if not records:
            return
        new = insert(self._engine, RACK_DECISIONS).on_conflict_do_nothing(index_elements=["id"])
        with self._engine.begin() as connection:
            connection.execute(new, [_row(record) for record in records])

    def mark_applied(self, id: str, at_s: float) -> None:
        """The fleet has taken the decision; an id that is not there is a KeyError, the first mark stays."""
        first = sa.func.coalesce(RACK_DECISIONS.c.applied_at_s, at_s)
        update = sa.update(RACK_DECISIONS).where(RACK_DECISIONS.c.id == id).values(applied_at_s=first)
        with self._engine.begin() as connection:
            if connection.execute(update).rowcount == 0:
                raise KeyError(f"there is no decision {id}")

    def unapplied(self, rack: str) -> RackEntry | None:
        """The newest acting decision, if it was not applied; older ones are superseded."""
        found = self._found(sa.and_(RACK_DECISIONS.c.rack == rack, RACK_DECISIONS.c.act.is_(True)), 1)
        return found[0] if found and found[0].applied_at_s is None else None

    def newest(self, rack: str, limit: int = 100, before_s: float | None = None) -> list[RackEntry]:
        """Decisions about a rack, newest first."""
        own = RACK_DECISIONS.c.rack == rack
        return self._found(own if before_s is None else sa.and_(own, RACK_DECISIONS.c.at_s < before_s), limit)

    def state(self, rack: str) -> RackState | None:
        """The memory that the newest decision left."""
        found = self.newest(rack, 1)
        return found[0].considered.decision.next_state if found else None

    def prune(self, before_s: float) -> int:
        """Forget decisions made before that time, but for the newest of each rack; gives how many went."""
        newer = RACK_DECISIONS.alias()
        superseded = sa.exists().where(newer.c.rack == RACK_DECISIONS.c.rack, newer.c.at_s > RACK_DECISIONS.c.at_s)
        with self._engine.begin() as connection:
            old = sa.delete(RACK_DECISIONS).where(RACK_DECISIONS.c.at_s < before_s, superseded)
            return connection.execute(old).rowcount

    def _found(self, condition: sa.ColumnElement[bool], limit: int) -> list[RackEntry]:
        query = sa.select(RACK_DECISIONS).where(condition).order_by(RACK_DECISIONS.c.at_s.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query).mappings()]


def _row(record: ConsideredRack) -> dict[str, Any]:
    decision = record.decision
    return {
        "id": decision.id,
        "rack": decision.rack,
        "at_s": decision.at_s,
        "act": decision.act,
        "value": pack(encode(record)),
    }


def _entry(row: Mapping[Any, Any]) -> RackEntry:
    return RackEntry(decode(ConsideredRack, unpack(row["value"])), row["applied_at_s"])
