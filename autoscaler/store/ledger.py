"""The memory of every decision: what was decided, from what, and whether it was carried out.

A decision is written in one transaction before it is applied and is marked after it, so a crash in between
leaves it to be found by ``unapplied`` and carried out again (fleets take targets, so twice is once). An id is
unique: recording it again changes nothing. ``state`` gives back the controller's memory, so a restart forgets
neither windows nor cooldowns. Inputs and decision are kept as compressed JSON; the SQL runs on SQLite (WAL)
and PostgreSQL alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from autoscaler.decision import ControlState, Decision
from autoscaler.store.codec import decode, encode
from autoscaler.store.packed import pack, unpack
from collectors.store import insert, prepare

METADATA = sa.MetaData()

DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("service", sa.String(120), nullable=False),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("act", sa.Boolean, nullable=False),
    sa.Column("applied_at_s", sa.Double),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Column("decision", sa.LargeBinary, nullable=False),
    sa.Column("inputs", sa.LargeBinary, nullable=False),
    sa.Index("decisions_by_service", "service", "at_s"),
)

WITHOUT_INPUTS = [column for column in DECISIONS.columns if column.name != "inputs"]


@dataclass(frozen=True, slots=True)
class Record:
    """A decision to be remembered, with the inputs it was made from (``codec.inputs``)."""

    decision: Decision
    inputs: Mapping[str, Any]
    policy_version: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A remembered decision. ``inputs`` is None where it was not asked for, ``applied_at_s`` until it is
    applied.
    """

    decision: Decision
    policy_version: int
    applied_at_s: float | None
    inputs: dict[str, Any] | None = None


class Ledger(Protocol):
    """Remembers decisions."""

    def record(self, decision: Decision, inputs: Mapping[str, Any], policy_version: int) -> None:
        """Write one decision; an id that is there already is left as it is."""
        ...

    def record_many(self, records: Sequence[Record]) -> None:
        """Write several in one transaction: all or none."""
        ...

    def mark_applied(self, id: str, at_s: float) -> None:
        """The fleet has taken the decision's targets."""
        ...

    def unapplied(self, service: str) -> Entry | None:
        """The newest acting decision, if it was not applied; older ones are superseded."""
        ...

    def latest(self, service: str) -> Entry | None:
        """The newest decision."""
        ...

    def list(self, service: str | None = None, limit: int = 100, before_s: float | None = None) -> list[Entry]:
        """Decisions, newest first, without their inputs."""
        ...

    def get(self, id: str) -> Entry | None:
        """One decision with its inputs."""
        ...

    def times(self, service: str, start_s: float, end_s: float) -> Sequence[float]:
        """When decisions were made in ``start_s <= at_s <= end_s``, oldest first."""
        ...

    def inputs_at(self, service: str, times: Sequence[float]) -> Sequence[dict[str, Any]]:
        """The inputs of the decisions made at these times (a few hundred at most), oldest first."""
        ...

    def state(self, service: str) -> ControlState | None:
        """The memory that the newest decision left."""
        ...


class SqlLedger:
    """A ledger in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def record(self, decision: Decision, inputs: Mapping[str, Any], policy_version: int) -> None:
        """See ``Ledger``."""
        self.record_many([Record(decision, inputs, policy_version)])

    def record_many(self, records: Sequence[Record]) -> None:
        """See ``Ledger``."""
        if not records:
            return
        new = insert(self._engine, DECISIONS).on_conflict_do_nothing(index_elements=["id"])
        with self._engine.begin() as connection:
            connection.execute(new, [_row(record) for record in records])

    def mark_applied(self, id: str, at_s: float) -> None:
        """See ``Ledger``; an id that is not there is a KeyError, the first mark stays."""
        first = sa.func.coalesce(DECISIONS.c.applied_at_s, at_s)
        with self._engine.begin() as connection:
            done = connection.execute(sa.update(DECISIONS).where(DECISIONS.c.id == id).values(applied_at_s=first))
            if done.rowcount == 0:
                raise KeyError(f"there is no decision {id}")

    def unapplied(self, service: str) -> Entry | None:
        """See ``Ledger``."""
        newest = self._newest(sa.and_(DECISIONS.c.service == service, DECISIONS.c.act.is_(True)))
        return newest if newest is not None and newest.applied_at_s is None else None

    def latest(self, service: str) -> Entry | None:
        """See ``Ledger``."""
        return self._newest(DECISIONS.c.service == service)

    def list(self, service: str | None = None, limit: int = 100, before_s: float | None = None) -> list[Entry]:
        """See ``Ledger``."""
        query = sa.select(*WITHOUT_INPUTS).order_by(DECISIONS.c.at_s.desc(), DECISIONS.c.id.desc()).limit(limit)
        if service is not None:
            query = query.where(DECISIONS.c.service == service)
        if before_s is not None:
            query = query.where(DECISIONS.c.at_s < before_s)
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query).mappings()]

    def get(self, id: str) -> Entry | None:
        """See ``Ledger``."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(DECISIONS).where(DECISIONS.c.id == id)).mappings().first()
        return None if row is None else _entry(row)

    def times(self, service: str, start_s: float, end_s: float) -> Sequence[float]:
        """See ``Ledger``."""
        at_s = DECISIONS.c.at_s
        query = sa.select(at_s).where(DECISIONS.c.service == service, at_s.between(start_s, end_s)).order_by(at_s)
        with self._engine.connect() as connection:
            return connection.execute(query).scalars().all()

    def inputs_at(self, service: str, times: Sequence[float]) -> Sequence[dict[str, Any]]:
        """See ``Ledger``."""
        at_s = DECISIONS.c.at_s
        query = sa.select(DECISIONS.c.inputs).where(DECISIONS.c.service == service, at_s.in_(times)).order_by(at_s)
        with self._engine.connect() as connection:
            return [unpack(packed) for packed in connection.execute(query).scalars()]

    def state(self, service: str) -> ControlState | None:
        """See ``Ledger``."""
        newest = self.latest(service)
        return None if newest is None else newest.decision.next_state

    def prune(self, before_s: float) -> int:
        """Forget decisions made before that time, but for the newest of each service; gives how many went."""
        newer = DECISIONS.alias()
        superseded = sa.exists().where(newer.c.service == DECISIONS.c.service, newer.c.at_s > DECISIONS.c.at_s)
        with self._engine.begin() as connection:
            old = sa.delete(DECISIONS).where(DECISIONS.c.at_s < before_s, superseded)
            return connection.execute(old).rowcount

    def _newest(self, condition: sa.ColumnElement[bool]) -> Entry | None:
        query = sa.select(*WITHOUT_INPUTS).where(condition).order_by(DECISIONS.c.at_s.desc(), DECISIONS.c.id.desc())
        with self._engine.connect() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        return None if row is None else _entry(row)


def _row(record: Record) -> dict[str, Any]:
    decision = record.decision
    return {
        "id": decision.id,
        "service": decision.service,
        "at_s": decision.at_s,
        "act": decision.act,
        "policy_version": record.policy_version,
        "decision": pack(encode(decision)),
        "inputs": pack(record.inputs),
    }


def _entry(row: Mapping[Any, Any]) -> Entry:
    inputs = unpack(row["inputs"]) if "inputs" in row else None
    decision = decode(Decision, unpack(row["decision"]))
    return Entry(decision, row["policy_version"], row["applied_at_s"], inputs)
