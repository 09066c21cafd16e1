"""The meter's memory: one row per hour, service and pool, and one per hour and service, for as long as is wanted.

A month of a hundred services is some 150,000 rows, so a report reads it whole and works on arrays. Adding is atomic:
what a tick metered is there once or not at all. Runs on SQLite (WAL) and PostgreSQL alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.money import Ints
from collectors.store import insert, prepare

METADATA = sa.MetaData()

STATE_COLUMNS = tuple(f"{state}_ms" for state in STATES)
HELD_SUMS = (*STATE_COLUMNS, "held_ms", "busy_ms", "seen_ms")
USED_SUMS = (
    "ms",
    "tokens_ms",
    "cached_ms",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "requests",
    "joules",
    "joules_gpu_ms",
)
WHOLE = frozenset({"ms", "tokens_ms", "cached_ms", "joules_gpu_ms"})

COST_HOURS = sa.Table(
    "cost_hours",
    METADATA,
    sa.Column("hour_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("service", sa.String(120), primary_key=True),
    sa.Column("pool", sa.String(120), primary_key=True),
    sa.Column("micro_usd", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in HELD_SUMS),
    sqlite_with_rowid=False,
)

USAGE_HOURS = sa.Table(
    "usage_hours",
    METADATA,
    sa.Column("hour_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("service", sa.String(120), primary_key=True),
    *(sa.Column(name, sa.BigInteger if name in WHOLE else sa.Double, nullable=False) for name in USED_SUMS),
    sqlite_with_rowid=False,
)

TENANT_HOURS = sa.Table(
    "tenant_hours",
    METADATA,
    sa.Column("hour_s", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("tenant", sa.String(200), primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),
    sa.Column("requests", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class TenantUse:
    """What one tenant took through the router within an hour, prompts and answers together."""

    hour_s: int
    tenant: str
    tokens: float
    requests: float


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Metered GPU time as columns of shape (n,); ``charged_ms`` (n, states) in the order of ``STATES``."""

    hour_s: Ints
    service: tuple[str, ...]
    pool: tuple[str, ...]
    micro_usd: Ints
    charged_ms: Ints
    held_ms: Ints
    busy_ms: Ints
    seen_ms: Ints

    def __len__(self) -> int:
        return len(self.service)


class CostStore:
    """The meter in a SQL database; creates its tables where they are missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def add(self, held: Sequence[Held], used: Sequence[Used], tenants: Sequence[TenantUse] = ()) -> None:
        """Add to what the hours hold, in one transaction; rows of one call with the same key add up too."""
        with self._engine.begin() as connection:
            self._add(connection, COST_HOURS, HELD_SUMS, [_flat(row) for row in held])
            self._add(connection, USAGE_HOURS, USED_SUMS, [asdict(row) for row in used])
            self._add(connection, TENANT_HOURS, ("tokens", "requests"), [asdict(row) for row in tenants])

    def hours(self, start_s: float, end_s: float, service: str | None = None) -> Hours:
        """GPU time of the hours that begin in ``start_s <= hour < end_s``, by hour, service and pool."""
        rows = self._rows(COST_HOURS, start_s, end_s, service)
        width = 2 + len(HELD_SUMS)
        numbers = np.array([(row[0], *row[3:]) for row in rows], dtype=np.int64).reshape(-1, width)
        states, rest = numbers[:, 2 : 2 + len(STATES)], numbers[:, -3:]
        return Hours(
            numbers[:, 0],
            tuple(row[1] for row in rows),
            tuple(row[2] for row in rows),
            numbers[:, 1],
            states,
            rest[:, 0],
            rest[:, 1],
            rest[:, 2],
        )

    def usage(self, start_s: float, end_s: float, service: str | None = None) -> list[Used]:
        """What services did in the hours that begin in ``start_s <= hour < end_s``."""
        return [Used(*row) for row in self._rows(USAGE_HOURS, start_s, end_s, service)]

    def tenants(self, start_s: float, end_s: float) -> list[TenantUse]:
        """What tenants took in the hours that begin in ``start_s <= hour < end_s``."""
        return [TenantUse(*row) for row in self._rows(TENANT_HOURS, start_s, end_s, None)]

    def first_hour_s(self) -> int | None:
        """The oldest hour that was metered; None where nothing was."""
        with self._engine.connect() as connection:
            oldest = connection.scalar(sa.select(sa.func.min(USAGE_HOURS.c.hour_s)))
        return None if oldest is None else int(oldest)

    def _rows(self, table: sa.Table, start_s: float, end_s: float, service: str | None) -> list[tuple[Any, ...]]:
        chosen = sa.select(table).where(table.c.hour_s >= start_s, table.c.hour_s < end_s)
        if service is not None:
            chosen = chosen.where(table.c.service == service)
        ordered = chosen.order_by(*table.primary_key.columns)
        with self._engine.connect() as connection:
            rows: list[tuple[Any, ...]] = [*connection.execute(ordered).all()]
            return rows

    def _add(
        self, connection: sa.Connection, table: sa.Table, sums: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if not rows:
            return
        new = insert(self._engine, table)
        more = {name: table.c[name] + new.excluded[name] for name in sums}
        keys = [column.name for column in table.primary_key.columns]
        connection.execute(new.on_conflict_do_update(index_elements=keys, set_=more), list(rows))


def _flat(row: Held) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in ("hour_s", "service", "pool", "micro_usd")}
    states = {f"{state}_ms": row.charged[state] for state in STATES}
    return own | states | {"held_ms": row.held_ms, "busy_ms": row.busy_ms, "seen_ms": row.seen_ms}
