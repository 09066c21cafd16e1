"""Opens the database that history and ledger live in, SQLite by default, PostgreSQL by URL, makes its tables, and knows
what the two say differently.

SQLite runs in WAL mode with ``synchronous=NORMAL``: readers and the writer do not wait for each other, a
killed process loses nothing that was committed, and only a power cut may lose the last commits (never
corrupt them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateColumn

from collectors.redact import redacted

BUSY_TIMEOUT_MS = 5000
"""How long a write waits for another process's write before it fails."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-32000",
)


class StoreUnavailable(ConnectionError):
    """The database cannot be opened; the message names its URL (without a password) and why."""


def open_store(url: str) -> Engine:
    """An engine on ``sqlite:///path``, ``sqlite://`` (in memory) or ``postgresql+psycopg://…``, tried once.

    Raises StoreUnavailable where it cannot be opened, ValueError where the URL is none.
    """
    try:
        parsed = make_url(url)
        engine = _engine(parsed)
    except (ArgumentError, NoSuchModuleError) as problem:
        hint = "expected sqlite:///path or postgresql+psycopg://user@host/name"
        raise ValueError(f"store: {redacted(url)!r} is no database URL ({problem}); {hint}") from problem
    except ModuleNotFoundError as problem:
        raise ValueError(
            f"store: {parsed.drivername} needs the module {problem.name}, which is not installed"
        ) from problem
    try:
        with engine.connect():
            return engine
    except DatabaseError as problem:
        safe = parsed.render_as_string(hide_password=True)
        raise StoreUnavailable(f"store: cannot open {safe}: {str(problem.orig).strip()}") from problem


def prepare(engine: Engine, metadata: MetaData) -> None:
    """Create the tables that are missing, and in those of an earlier version the columns that have come since.

    A column that came later may be empty in older rows, so it is nullable or has a default of the server's. Raises
    StoreUnavailable for one that neither is: such a store is upgraded by way of the version that the changelog names.
    """
    metadata.create_all(engine)
    there = inspect(engine)
    for table in metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                _add(engine, table.name, column)


def insert(engine: Engine, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that can be told what to do where the row is there already, in the words of the engine's database."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def put(engine: Engine, table: Table, row: Mapping[str, Any]) -> None:
    """Write a row in the place of the one with its primary key."""
    keys = [column.name for column in table.primary_key.columns]
    rest = {name: value for name, value in row.items() if name not in keys}
    with engine.begin() as connection:
        connection.execute(insert(engine, table).values(**row).on_conflict_do_update(index_elements=keys, set_=rest))


def _add(engine: Engine, table: str, column: Column[Any]) -> None:
    if not column.nullable and column.server_default is None:
        raise StoreUnavailable(
            f"store: table {table} of an earlier version has no column {column.name}, which cannot be added; "
            "see docs/operations/upgrade.md"
        )
    declared = CreateColumn(column).compile(dialect=engine.dialect)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {declared}"))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if url.database in (None, "", ":memory:"):
        # One connection for all threads: each new one would open an empty database of its own.
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
