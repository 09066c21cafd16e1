"""What was changed, by whom, why, and from what to what: a chain of entries, each sealed by the hash of the one before.

A change and its entry are one transaction: neither is without the other. An entry's hash covers all its fields and the
hash before it, so an entry that is altered, removed or put in afterwards breaks the chain where that was done. What a
chain cannot show is that its newest entries were cut off, or that all of it was written anew by who owns the database:
for that, ``verify`` takes a hash that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from autoscaler.actor import acting
from collectors.store import prepare

FIRST = "0" * 64
"""What the first entry follows."""

LOCK = 7_238_116_001
"""Key of PostgreSQL's advisory lock; nobody else of ours takes one."""

PAGE = 500

METADATA = sa.MetaData()

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("who", sa.String(200), nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("address", sa.String(100), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("audit_by_subject", "subject", "seq"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is being changed: ``before`` and ``after`` are plain JSON values, None where there is nothing.

    ``action`` is ``noun.verb``, ``subject`` what it is about (a service, a token), ``who`` the author as signed.
    """

    action: str
    subject: str
    who: str
    reason: str
    at_s: float
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the chain. ``by`` is how who acted was known, ``before`` and ``after`` are JSON texts."""

    seq: int
    at_s: float
    who: str
    by: str
    address: str
    action: str
    subject: str
    reason: str
    before: str
    after: str
    previous: str
    hash: str

    def sealed(self) -> str:
        """The hash that these fields should have."""
        values = [getattr(self, field.name) for field in fields(self) if field.name != "hash"]
        return hashlib.sha256(canonical(values).encode()).hexdigest()

    def told(self) -> str:
        """The entry in a few words."""
        return f"entry {self.seq} ({self.action} of {self.subject} by {self.who})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What looking at the whole chain came to: ``broken`` names the first link that does not hold, None if all do."""

    entries: int
    head: str
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: None is any. ``text`` is looked for in subject, author, reason, and what was before and after."""

    action: str | None = None
    who: str | None = None
    subject: str | None = None
    text: str | None = None
    start_s: float | None = None
    end_s: float | None = None


def canonical(value: Any) -> str:
    """JSON in the one form that is hashed."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=True, allow_nan=False)


def verify(entries: Iterable[Entry], noted: str | None = None) -> Verdict:
    """Follow the chain from its first entry, oldest first; ``noted`` is a hash that must be in it. Pure."""
    count, head, seen = 0, FIRST, noted in (None, FIRST)
    for entry in entries:
        if (wrong := _wrong(entry, count, head)) is not None:
            return Verdict(count, head, wrong)
        count, head = count + 1, entry.hash
        seen = seen or head == noted
    if not seen:
        return Verdict(count, head, f"no entry has the hash {noted}: entries after it or it itself were cut off")
    return Verdict(count, head)


def _wrong(entry: Entry, count: int, head: str) -> str | None:
    if entry.hash != entry.sealed():
        return f"{entry.told()} is not what was sealed: it was altered after it was written"
    if entry.seq != count + 1:
        return f"{entry.told()} follows entry {count}: entries between were removed, or this one was put in"
    if entry.previous != head:
        return f"{entry.told()} does not follow entry {count}: one of the two was put in or written anew"
    return None


class AuditLog:
    """The chain in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def write(self, connection: sa.Connection, change: Change) -> Entry:
        """Seal a change as part of the transaction that makes it; whoever else writes meanwhile waits for its end."""
        self._lock(connection)
        newest = connection.execute(sa.select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
        seq, previous = (newest.seq + 1, newest.hash) if newest else (1, FIRST)
        entry = _sealed(seq, previous, change)
        connection.execute(sa.insert(AUDIT), {field.name: getattr(entry, field.name) for field in fields(entry)})
        return entry

    def add(self, change: Change) -> Entry:
        """Seal a change that has no transaction of its own."""
        with self._engine.begin() as connection:
            return self.write(connection, change)

    def list(self, wanted: Wanted | None = None, limit: int = 100, before_seq: int | None = None) -> list[Entry]:
        """Entries, newest first."""
        query = sa.select(AUDIT).where(*_conditions(wanted or Wanted()))
        if before_seq is not None:
            query = query.where(AUDIT.c.seq < before_seq)
        with self._engine.connect() as connection:
            return [
                _entry(row) for row in connection.execute(query.order_by(AUDIT.c.seq.desc()).limit(limit)).mappings()
            ]

    def get(self, seq: int) -> Entry | None:
        """One entry."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(AUDIT).where(AUDIT.c.seq == seq)).mappings().first()
        return None if row is None else _entry(row)

    def verify(self, noted: str | None = None) -> Verdict:
        """See ``verify``; reads the chain in pages."""
        return verify(self._all(), noted)

    def _all(self) -> Iterator[Entry]:
        last = -1
        while True:
            query = sa.select(AUDIT).where(AUDIT.c.seq > last).order_by(AUDIT.c.seq).limit(PAGE)
            with self._engine.connect() as connection:
                rows = [_entry(row) for row in connection.execute(query).mappings()]
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1].seq

    def _lock(self, connection: sa.Connection) -> None:
        if self._engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        else:  # a write, of nothing, is what makes SQLite take its one write lock
            connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq < 0))


def _sealed(seq: int, previous: str, change: Change) -> Entry:
    actor = acting()
    entry = Entry(
        seq=seq,
        at_s=change.at_s,
        who=actor.name or change.who,
        by=actor.by,
        address=actor.address,
        action=change.action,
        subject=change.subject,
        reason=change.reason,
        before=canonical(change.before),
        after=canonical(change.after),
        previous=previous,
        hash="",
    )
    return replace(entry, hash=entry.sealed())


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    columns = AUDIT.c
    exact = ((columns.action, wanted.action), (columns.who, wanted.who), (columns.subject, wanted.subject))
    for column, value in exact:
        if value is not None:
            yield column == value
    if wanted.text:
        parts = (columns.subject, columns.who, columns.reason, columns.before, columns.after)
        yield sa.or_(*(column.icontains(wanted.text, autoescape=True) for column in parts))
    if wanted.start_s is not None:
        yield columns.at_s >= wanted.start_s
    if wanted.end_s is not None:
        yield columns.at_s < wanted.end_s


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(**row)
