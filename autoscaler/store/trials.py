"""Candidates in shadow and policies on watch, in the store: one of each kind per service, so that a restart goes on.

A trial has a number that tells it from the one before. The loop writes it at every tick, and only while it is the one
that is open: what was ended or replaced meanwhile by somebody else is never brought back. Values are exact JSON
(``codec``), compressed; the SQL runs on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from autoscaler.canary.watch import Watch
from autoscaler.shadow.run import Shadow
from autoscaler.store.audit import AuditLog, Change
from autoscaler.store.codec import decode, encode
from autoscaler.store.packed import pack, unpack
from collectors.store import insert, prepare

METADATA = sa.MetaData()

TRIALS = sa.Table(
    "trials",
    METADATA,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("service", sa.String(120), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
)


class Trial(Protocol):
    """What can be kept."""

    @property
    def service(self) -> str:
        """Whose it is."""
        ...

    @property
    def number(self) -> int:
        """Tells it from the one before."""
        ...

    @property
    def open(self) -> bool:
        """Not over yet."""
        ...


T = TypeVar("T", bound=Trial)


class TrialStore(Generic[T]):
    """The trials of one kind; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine, kind: str, type_: type[T]) -> None:
        self._engine = engine
        self._kind = kind
        self._type = type_
        self._last: dict[str, tuple[bytes, T]] = {}
        self._audit = AuditLog(engine)
        prepare(engine, METADATA)

    def newest(self, service: str) -> T | None:
        """The service's trial, open or over; None where it never had one."""
        query = sa.select(TRIALS.c.value).where(self._of(service))
        with self._engine.connect() as connection:
            packed = connection.scalars(query).one_or_none()
        return None if packed is None else self._read(service, packed)

    def all(self) -> dict[str, T]:
        """Every service's trial, open or over."""
        query = sa.select(TRIALS.c.service, TRIALS.c.value).where(TRIALS.c.kind == self._kind)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(TRIALS.c.service)).all()
        return {row.service: self._read(row.service, row.value) for row in rows}

    def put(self, trial: T, replaces_open: bool, change: Change | None = None) -> bool:
        """Take the place of the service's trial; False where that is still open and must not be replaced.

        ``change`` is for the audit, where somebody asked for it.
        """
        row = _row(trial)
        put = insert(self._engine, TRIALS).values(kind=self._kind, service=trial.service, **row)
        free = None if replaces_open else TRIALS.c.open.is_(False)
        put_or_not = put.on_conflict_do_update(index_elements=["kind", "service"], set_=row, where=free)
        with self._engine.begin() as connection:
            done = connection.execute(put_or_not.returning(TRIALS.c.number)).first() is not None
            if done and change is not None:
                self._audit.write(connection, change)
            return done

    def keep(self, trial: T, change: Change | None = None) -> bool:
        """Write what has become of an open trial; False where it is no longer the one that is open."""
        same = sa.and_(self._of(trial.service), TRIALS.c.number == trial.number, TRIALS.c.open.is_(True))
        with self._engine.begin() as connection:
            done = connection.execute(sa.update(TRIALS).where(same).values(**_row(trial))).rowcount > 0
            if done and change is not None:
                self._audit.write(connection, change)
            return done

    def _read(self, service: str, packed: bytes) -> T:
        """The value; what has not changed since it was last read is not decoded again."""
        last = self._last.get(service)
        if last is None or last[0] != packed:
            last = packed, decode(self._type, unpack(packed))
            self._last[service] = last
        return last[1]

    def _of(self, service: str) -> sa.ColumnElement[bool]:
        return sa.and_(TRIALS.c.kind == self._kind, TRIALS.c.service == service)


def _row(trial: Trial) -> dict[str, Any]:
    return {"number": trial.number, "open": trial.open, "value": pack(encode(trial))}


class Trials:
    """Both kinds in one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.shadows: TrialStore[Shadow] = TrialStore(engine, "shadow", Shadow)
        self.watches: TrialStore[Watch] = TrialStore(engine, "watch", Watch)
