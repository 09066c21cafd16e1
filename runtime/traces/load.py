"""From a file to a trace: read the columns of its format, check every row, bring times to seconds from the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.traces.formats import Format, accepted, recognise
from runtime.traces.tables import Table, open_table
from runtime.traces.trace import Trace, TraceError

MOST_TOKENS = 10**7
"""A request with more tokens than this is taken for a damaged one."""

_WALL_TIME_FROM_S = 1e9
"""Numeric times from here on (September 2001) are UTC seconds since the epoch."""

Column = npt.NDArray[Any]


def load(path: Path) -> Trace:
    """The trace in a file: parquet, CSV or JSON lines, in any format of ``runtime.traces.formats``.

    Rows with no input or no output tokens are requests that failed where they were recorded: they are left out, and a
    note says how many. Raises TraceError, one line, for anything else that is not right.
    """
    table = open_table(path)
    fmt = recognise(table.columns)
    if fmt is None:
        found = "".join(c if c.isprintable() else "\ufffd" for c in ", ".join(table.columns)[:200])
        raise TraceError(f"{path}: found columns {found}; a trace needs {accepted()}")
    if twice := [name for name in fmt.columns if table.columns.count(name) > 1]:
        raise TraceError(f"{path}: column {twice[0]} is there twice; keep one of them")
    parts: list[tuple[Column, Column, Column, int]] = []
    rows, last = 0, None
    for batch in table.batches(fmt):
        if batch.num_rows == 0:
            continue
        time, tokens = _times(path, table, fmt, batch, rows), [_floats(batch, name) for name in fmt.columns[1:]]
        _check(path, table, fmt, (time, *tokens), rows, last)
        rows, last = rows + len(time), time[-1]
        served = (tokens[0] > 0) & (tokens[1] > 0)
        counts = [column[served].astype(np.int32) for column in tokens]
        parts.append((time[served], counts[0], counts[1], int(len(time) - served.sum())))
    return _assemble(path, fmt, parts)


def _assemble(path: Path, fmt: Format, parts: list[tuple[Column, Column, Column, int]]) -> Trace:
    dropped = sum(part[3] for part in parts)
    if sum(len(part[0]) for part in parts) == 0:
        left_out = f" beside {dropped} without tokens" if dropped else ""
        raise TraceError(f"{path}: holds no requests{left_out}; a trace needs one or more")
    time = np.concatenate([part[0] for part in parts])
    unit_s = 1e-9 if fmt.unit_s is None else fmt.unit_s
    first_s = float(time[0]) * unit_s
    return Trace(
        name=path.stem,
        arrival_s=(time - time[0]) * unit_s,
        input_tokens=np.concatenate([part[1] for part in parts]),
        output_tokens=np.concatenate([part[2] for part in parts]),
        start_s=first_s if first_s >= _WALL_TIME_FROM_S else None,
        notes=(f"left out {dropped} requests without input or output tokens",) if dropped else (),
    )


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


def _check(path: Path, table: Table, fmt: Format, columns: tuple[Column, ...], row: int, last: float | None) -> None:
    """Refuse the first row that is not right; ``row`` is the index of the first one, ``last`` the time before it."""
    time = columns[0]
    before = np.concatenate([time[:1] if last is None else np.array([last], time.dtype), time[:-1]])
    faults = [
        (fmt.time, time, ~np.isfinite(time), "is no time; give a number"),
        (fmt.time, time, time < 0, "is negative; give times of 0 or more"),
        (fmt.time, time, time < before, f"is before the row above it; sort the file by {fmt.time}"),
    ]
    for name, tokens in zip(fmt.columns[1:], columns[1:], strict=True):
        whole = np.isfinite(tokens) & (tokens == np.floor(tokens))
        faults += [
            (name, tokens, ~whole, "is no count of tokens; give a whole number"),
            (name, tokens, tokens < 0, f"is negative; give 0 to {MOST_TOKENS} tokens"),
            (name, tokens, tokens > MOST_TOKENS, f"is absurd; give 0 to {MOST_TOKENS} tokens"),
        ]
    at, name, value, fault = min(
        ((int(bad.argmax()), name, values, text) for name, values, bad, text in faults if bad.any()),
        key=lambda found: found[0],
        default=(-1, "", time, ""),
    )
    if at >= 0:
        raise TraceError(f"{path}: {table.place(row + at)}, column {name}: {_shown(value[at], fmt, name)} {fault}")


def _shown(value: Any, fmt: Format, name: str) -> str:
    if name in fmt.dates:
        return str(np.datetime64(int(value), "ns"))
    return "an empty or NaN value" if np.isnan(value) else f"{float(value):.12g}"
