"""The history of signals: every tick for 48 hours, every minute for 90 days, gaps included.

One row holds all signals of a service at one time (see ``packing``), so a tick writes one row per service
and two weeks of a signal are read as one array. A minute keeps the mean of each signal, or the maximum of
those whose peaks matter. Signals that hold for long and jump are kept as their steps, too: a week of one over a
hundred services is some thousand steps, and two million rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    select,
    text,
)

from collectors.downsample import Points, thin
from collectors.packing import MINUTE_S, Array, column, minutes, pack, unpack
from collectors.store import prepare

FULL_S = 48 * 3600.0
KEPT_S = 90 * 86400.0

PEAKS = frozenset({"waiting", "held", "rejected_per_s", "preemptions_per_s", "kv_usage_max_ratio"})
PEAK_ENDINGS = ("_p90_s", "_p99_s")
"""Signals, by name or ending, of which a minute keeps the maximum."""

STEPPED = frozenset({"replicas_desired"})
"""Signals of which every change is kept beside the rows."""

AGAIN_S, UNSEEN_S = 86400.0, 150.0
"""A step is written again after a day, so that old ones can go, and after a while in which another may have led."""

METADATA = MetaData()

Key = tuple[int, int]
"""Ids of a service and a signal."""


def _names(table: str) -> Table:
    return Table(
        table,
        METADATA,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String(200), nullable=False, unique=True),
    )


def _rows(table: str) -> Table:
    # Without row ids SQLite keeps the rows of a service side by side, in order of time.
    return Table(
        table,
        METADATA,
        Column("service_id", Integer, primary_key=True, autoincrement=False),
        Column("at_s", Float(53), primary_key=True),
        Column("packed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


SERVICES, SIGNALS = _names("history_services"), _names("history_signals")
FULL, MINUTES = _rows("history_full"), _rows("history_minutes")
STEPS = Table(
    "history_steps",
    METADATA,
    Column("service_id", Integer, primary_key=True, autoincrement=False),
    Column("signal_id", Integer, primary_key=True, autoincrement=False),
    Column("at_s", Float(53), primary_key=True),
    Column("value", Float(53), nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A value that holds: since when that is written, and when it was seen last."""

    value: float
    written_s: float
    seen_s: float

    def new(self, value: float, at_s: float) -> bool:
        """Whether the value is to be written at that time."""
        return value != self.value or at_s - self.written_s > AGAIN_S or not 0 <= at_s - self.seen_s <= UNSEEN_S


class History:
    """Reads and writes history; creates its tables where they are missing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: dict[Key, Held] = {}
        prepare(engine, METADATA)

    def append(
        self,
        service: str,
        at_s: float,
        signals: Mapping[str, float | None],
        connection: Connection | None = None,
    ) -> None:
        """Add what one tick says about one service; None is a gap. The same time again replaces it."""
        self.append_many([(service, at_s, signals)], connection)

    def append_many(
        self,
        rows: Sequence[tuple[str, float, Mapping[str, float | None]]],
        connection: Connection | None = None,
    ) -> None:
        """Add (service, at_s, signals) rows in a transaction of their own, or in that of ``connection``."""
        if not rows:
            return
        with self._writing(connection) as writing:
            services = _register(writing, SERVICES, [service for service, _, _ in rows])
            signals = _register(writing, SIGNALS, [name for _, _, told in rows for name in told])
            packed = [(services[service], at_s, pack(told, signals)) for service, at_s, told in rows]
            _write(writing, FULL, packed)
            told_of = [
                ((services[service], signals[name]), at_s, value)
                for service, at_s, told in rows
                for name in STEPPED & told.keys()
                if (value := told[name]) is not None
            ]
            held = self._steps(writing, told_of)
        if connection is None:
            self._held |= held
        else:  # whether it is committed is not known: the next value is a step, whatever it is
            self._held = {key: value for key, value in self._held.items() if key not in held}

    def _steps(self, writing: Connection, told: Iterable[tuple[Key, float, float]]) -> dict[Key, Held]:
        """Write the steps among values in order of time; gives what holds then."""
        held, steps = dict(self._held), []
        for key, at_s, value in told:
            last = held.get(key)
            new = last is None or last.new(value, at_s)
            if new:
                steps.append({"service_id": key[0], "signal_id": key[1], "at_s": at_s, "value": value})
            held[key] = Held(value, at_s if new or last is None else last.written_s, at_s)
        if steps:
            _put(writing, STEPS, ("service_id", "signal_id", "at_s"), ("value",), steps)
        return held

    def append_columns(self, service: str, times: Array, signals: Mapping[str, Array]) -> None:
        """Add what many ticks say about one service: ``times`` (n,) UTC seconds, each signal (n,), NaN for gaps."""
        with self._engine.begin() as writing:
            key = _register(writing, SERVICES, [service])[service]
            positions = _register(writing, SIGNALS, signals)
            rows = np.full((len(times), 1 + max(positions[name] for name in signals)), np.nan)
            for name, values in signals.items():
                rows[:, positions[name]] = values
            told = zip(times.tolist(), rows, strict=True)
            _write(writing, FULL, [(key, at_s, row.tobytes()) for at_s, row in told])
            held: dict[Key, Held] = {}
            for name in STEPPED & signals.keys():
                known = np.flatnonzero(np.isfinite(signals[name])).tolist()
                place = key, positions[name]
                held = self._steps(writing, ((place, float(times[at]), float(signals[name][at])) for at in known))
        self._held |= held

    def load(self, service: str, signal: str, start_s: float) -> tuple[Array, Array]:
        """Times and values of one signal from ``start_s`` on, oldest first, NaN for gaps."""
        times, columns = self._read(service, [signal], start_s, math.inf)
        return times, columns[0]

    def steps(self, service: str, signal: str, start_s: float, end_s: float) -> tuple[Array, Array]:
        """When a stepped signal took which value in ``start_s <= t <= end_s``, oldest first: first what held at the
        first row of the span. A value may come twice in a row. From rows alone where steps do not reach so far back.
        """
        with self._engine.connect() as connection:
            key, position = _ids(connection, SERVICES).get(service, -1), _ids(connection, SIGNALS).get(signal, -1)
            found = select(STEPS.c.at_s, STEPS.c.value).where(STEPS.c.service_id == key, STEPS.c.signal_id == position)
            before = found.where(STEPS.c.at_s <= start_s).order_by(STEPS.c.at_s.desc()).limit(1)
            held = connection.execute(before).first()
            within = found.where(STEPS.c.at_s > start_s, STEPS.c.at_s <= end_s).order_by(STEPS.c.at_s)
            rows = [(at_s, value) for at_s, value in connection.execute(within)] if held else []
            first_s = _first_at(connection, key, start_s, end_s) if held else None
        if held is None:
            times, values = self.load(service, signal, start_s)
            return times[times <= end_s], values[times <= end_s]
        if first_s is not None and (not rows or first_s < rows[0][0]):
            rows.insert(0, (first_s, held.value))
        times, values = np.array(rows, dtype=np.float64).reshape(-1, 2).T
        return times, values

    def series(
        self, service: str, signals: Sequence[str], start_s: float, end_s: float, max_points: int = 1000
    ) -> dict[str, Points]:
        """Points of each signal in ``start_s <= t <= end_s``: at most ``max_points``, spikes kept, None for
        gaps.
        """
        times, columns = self._read(service, signals, start_s, end_s)
        return {name: thin(times, values, max_points) for name, values in zip(signals, columns, strict=True)}

    def last_at(self, service: str) -> float | None:
        """Time of the newest row of a service, UTC seconds; None if it has none."""
        with self._engine.connect() as connection:
            key = _ids(connection, SERVICES).get(service)
            newest = [
                connection.scalar(select(func.max(table.c.at_s)).where(table.c.service_id == key))
                for table in (FULL, MINUTES)
            ]
        return max((at_s for at_s in newest if at_s is not None), default=None)

    def compact(self, now_s: float) -> None:
        """Turn what is older than 48 hours into minutes and delete what is older than 90 days.

        A minute is stamped with its end, as a tick is. One transaction per service, so a process that is
        killed meanwhile loses and doubles nothing.
        """
        cutoff_s = math.floor((now_s - FULL_S) / MINUTE_S) * MINUTE_S
        with self._engine.connect() as connection:
            services, signals = _ids(connection, SERVICES), _ids(connection, SIGNALS)
        peaks = [at for name, at in signals.items() if name in PEAKS or name.endswith(PEAK_ENDINGS)]
        for service in services.values():
            with self._engine.begin() as connection:
                _compact(connection, service, cutoff_s, peaks)
        with self._engine.begin() as connection:
            for table in (MINUTES, STEPS):
                connection.execute(delete(table).where(table.c.at_s < now_s - KEPT_S))

    @contextmanager
    def _writing(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
        else:
            with self._engine.begin() as own:
                yield own

    def _read(self, service: str, signals: Sequence[str], start_s: float, end_s: float) -> tuple[Array, list[Array]]:
        with self._engine.connect() as connection:
            key = _ids(connection, SERVICES).get(service, -1)
            positions = _ids(connection, SIGNALS)
            rows = [row for table in (MINUTES, FULL) for row in _select(connection, table, key, start_s, end_s)]
        values = unpack([packed for _, packed in rows])
        times = np.fromiter((at_s for at_s, _ in rows), dtype=np.float64, count=len(rows))
        return times, [column(values, positions.get(name)) for name in signals]


def _ids(connection: Connection, table: Table) -> dict[str, int]:
    return {name: key for key, name in connection.execute(select(table.c.id, table.c.name))}


def _register(connection: Connection, table: Table, names: Iterable[str]) -> dict[str, int]:
    """Ids by name, new names added. Ids are positions, hence without holes; if another writer takes one,
    try the next.
    """
    known = _ids(connection, table)
    add = text(f"INSERT INTO {table.name} (id, name) VALUES (:id, :name) ON CONFLICT DO NOTHING")
    while new := [name for name in dict.fromkeys(names) if name not in known]:
        connection.execute(add, [{"id": len(known) + i, "name": name} for i, name in enumerate(new)])
        known = _ids(connection, table)
    return known


def _write(connection: Connection, table: Table, rows: Sequence[tuple[int, float, bytes]]) -> None:
    names = ("service_id", "at_s", "packed")
    _put(connection, table, names[:2], names[2:], [dict(zip(names, row, strict=True)) for row in rows])


def _put(
    connection: Connection, table: Table, key: Sequence[str], rest: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows, each in the place of one with the same key."""
    names = (*key, *rest)
    values, changes = ", ".join(f":{name}" for name in names), ", ".join(f"{name} = excluded.{name}" for name in rest)
    sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values}) "
    connection.execute(text(f"{sql}ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"), rows)


def _first_at(connection: Connection, service: int, start_s: float, end_s: float) -> float | None:
    """Time of a service's first row in a span."""
    firsts = [
        connection.scalar(
            select(func.min(table.c.at_s)).where(
                table.c.service_id == service, table.c.at_s >= start_s, table.c.at_s <= end_s
            )
        )
        for table in (MINUTES, FULL)
    ]
    return min((at_s for at_s in firsts if at_s is not None), default=None)


def _select(
    connection: Connection, table: Table, service: int, start_s: float, end_s: float
) -> list[tuple[float, bytes]]:
    time = table.c.at_s
    chosen = select(time, table.c.packed).where(table.c.service_id == service, time >= start_s)
    if end_s < math.inf:
        chosen = chosen.where(time <= end_s)
    return [(at_s, packed) for at_s, packed in connection.execute(chosen.order_by(time))]


def _compact(connection: Connection, service: int, cutoff_s: float, peaks: Collection[int]) -> None:
    rows = _select(connection, FULL, service, -math.inf, cutoff_s)
    if not rows:
        return
    times = np.array([at_s for at_s, _ in rows], dtype=np.float64)
    ends, values = minutes(times, unpack([packed for _, packed in rows]), peaks)
    merged = [(service, float(at_s), row.tobytes()) for at_s, row in zip(ends, values, strict=True)]
    _write(connection, MINUTES, merged)
    connection.execute(delete(FULL).where(FULL.c.service_id == service, FULL.c.at_s <= cutoff_s))
