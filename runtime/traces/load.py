"""From a file to a trace: read the columns of its format, check every row, bring times to seconds from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.traces.check import Column, Mask, Rows, check
from runtime.traces.formats import Format, accepted, recognise
from runtime.traces.keys import dense, named
from runtime.traces.prefixes import groups
from runtime.traces.tables import Table, open_table
from runtime.traces.trace import Keys, Trace, TraceError

BLOCK_TOKENS = 512
"""Prompt tokens that one of Mooncake's block ids stands for; the last block of a prompt may be shorter."""

_WALL_TIME_FROM_S = 1e9
"""Numeric times from here on (September 2001) are UTC seconds since the epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The requests of a batch: numbers, and its other columns as arrow has them, by name."""

    time: Column
    input: npt.NDArray[np.int32]
    output: npt.NDArray[np.int32]
    shared: npt.NDArray[np.int32]
    others: dict[str, pa.Array]
    dropped: int


def load(path: Path) -> Trace:
    """The trace in a file: parquet, CSV or JSON lines, in any format of ``runtime.traces.formats``.

    Rows with no input or no output tokens are requests that failed where they were recorded: they are left out, and a
    note says how many. Clients, sessions and prefixes become keys. A prefix without ``prefix_tokens`` is of unknown
    length: it counts 0 tokens, so that routers can go by it and no cache serves it. Mooncake's ``hash_ids`` become one
    prefix a request (``runtime.traces.prefixes``). Raises TraceError, one line, for anything else that is not right.
    """
    table = open_table(path)
    fmt = _format(path, table)
    parts: list[_Part] = []
    first, last = 0, None
    for batch in table.batches(fmt):
        if batch.num_rows == 0:
            continue
        rows = _rows(path, table, fmt, batch, first)
        check(path, table, fmt, rows, last)
        parts.append(_part(fmt, batch, rows))
        first, last = first + batch.num_rows, rows.time[-1]
    return _assemble(path, fmt, parts)


def _format(path: Path, table: Table) -> Format:
    fmt = recognise(table.columns)
    if fmt is None:
        found = "".join(c if c.isprintable() else "\ufffd" for c in ", ".join(table.columns)[:200])
        raise TraceError(f"{path}: found columns {found}; a trace needs {accepted()}")
    if twice := [name for name in fmt.columns if table.columns.count(name) > 1]:
        raise TraceError(f"{path}: column {twice[0]} is there twice; keep one of them")
    return fmt if table.ragged else fmt.within(table.columns)


def _rows(path: Path, table: Table, fmt: Format, batch: pa.RecordBatch, first: int) -> Rows:
    nothing = np.zeros(batch.num_rows)
    return Rows(
        first,
        _times(path, table, fmt, batch, first),
        _floats(batch, fmt.input),
        _floats(batch, fmt.output),
        nothing if fmt.shared is None else _zero_for_gaps(_floats(batch, fmt.shared)),
        nothing > 0 if fmt.prefix is None else named(batch.column(fmt.prefix)).is_valid().to_numpy(False),
    )


def _part(fmt: Format, batch: pa.RecordBatch, rows: Rows) -> _Part:
    served = rows.served
    others = [name for name in (*fmt.keys, fmt.blocks) if name is not None]
    return _Part(
        rows.time[served],
        rows.input[served].astype(np.int32),
        rows.output[served].astype(np.int32),
        rows.shared[served].astype(np.int32),
        {name: _kept(batch.column(name), served) for name in others},
        int(len(served) - served.sum()),
    )


def _kept(column: pa.Array, served: Mask) -> pa.Array:
    return column if served.all() else column.filter(pa.array(served))


def _assemble(path: Path, fmt: Format, parts: list[_Part]) -> Trace:
    dropped = sum(part.dropped for part in parts)
    if sum(len(part.time) for part in parts) == 0:
        left_out = f" beside {dropped} without tokens" if dropped else ""
        raise TraceError(f"{path}: holds no requests{left_out}; a trace needs one or more")
    time = np.concatenate([part.time for part in parts])
    input_tokens = np.concatenate([part.input for part in parts])
    unit_s = 1e-9 if fmt.unit_s is None else fmt.unit_s
    first_s = float(time[0]) * unit_s
    prefix, prefix_tokens = _prefixes(fmt, parts, input_tokens)
    return Trace(
        name=path.stem,
        arrival_s=(time - time[0]) * unit_s,
        input_tokens=input_tokens,
        output_tokens=np.concatenate([part.output for part in parts]),
        start_s=first_s if first_s >= _WALL_TIME_FROM_S else None,
        notes=(f"left out {dropped} requests without input or output tokens",) if dropped else (),
        client=_keys(parts, fmt.client),
        session=_keys(parts, fmt.session),
        prefix=prefix,
        prefix_tokens=prefix_tokens,
    )


def _keys(parts: Sequence[_Part], name: str | None) -> Keys | None:
    return None if name is None else dense([part.others[name] for part in parts])


def _prefixes(
    fmt: Format, parts: Sequence[_Part], input_tokens: npt.NDArray[np.int32]
) -> tuple[Keys | None, npt.NDArray[np.int32] | None]:
    """Prefix keys and their tokens, (n,) each; None where nobody has one, or where nobody says how long it is."""
    if fmt.blocks is None:
        prefix = _keys(parts, fmt.prefix)
        told = prefix is not None and fmt.shared is not None
        return prefix, np.concatenate([part.shared for part in parts]) if told else None
    lists = [part.others[fmt.blocks] for part in parts]
    counts = np.concatenate([pc.fill_null(pc.list_value_length(chunk), 0).to_numpy() for chunk in lists])
    ids = np.concatenate([pc.list_flatten(chunk).to_numpy(zero_copy_only=False) for chunk in lists])
    prefix, blocks = groups(counts.astype(np.int64), ids)
    if not prefix.any():
        return None, None
    return prefix, np.minimum(blocks * np.int32(BLOCK_TOKENS), input_tokens)


def _zero_for_gaps(tokens: Column) -> Column:
    return np.where(np.isnan(tokens), 0.0, tokens)


def _floats(batch: pa.RecordBatch, name: str) -> Column:
    """A column as float64; what is missing is NaN."""
    column: Column = pc.cast(batch.column(name), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return column


def _times(path: Path, table: Table, fmt: Format, batch: pa.RecordBatch, row: int) -> Column:
    """Times in the file's own unit, float64; dates as int64 nanoseconds, which keep all their digits."""
    if fmt.unit_s is not None:
        return _floats(batch, fmt.time)
    dates = batch.column(fmt.time)
    if dates.null_count == 0:
        try:
            return _nanoseconds(dates)
        except pa.ArrowInvalid:
            pass
    at = next(i for i in range(len(dates)) if not _is_date(dates.slice(i, 1)))
    raise TraceError(
        f"{path}: {table.place(row + at)}, column {fmt.time}: {dates[at].as_py()!r} is no date; "
        "write UTC times as 2023-11-16 18:15:46.68"
    )


def _nanoseconds(dates: pa.Array) -> Column:
    if pa.types.is_string(dates.type) or pa.types.is_large_string(dates.type):
        dates = pc.cast(pc.replace_substring_regex(dates, r"\s*(Z|[+]00:?00)$", ""), pa.timestamp("ns"))
    column: Column = pc.cast(pc.cast(dates, pa.timestamp("ns")), pa.int64()).to_numpy(zero_copy_only=False)
    return column


def _is_date(one: pa.Array) -> bool:
    try:
        return one.null_count == 0 and len(_nanoseconds(one)) == 1
    except pa.ArrowInvalid:
        return False
