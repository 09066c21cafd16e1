"""Series files: what arrived in every minute, as parquet or CSV with ``minute, requests, input_tokens, output_tokens``.

A minute without a row, or with an empty cell, is a gap and never a zero. A file that cannot be a series is refused with
one line that says where and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from forecasting.history import Array

COLUMNS = ("requests", "input_tokens", "output_tokens")
MOST_MINUTES = 5 * 366 * 1440
"""A file whose minutes span more than five years is taken for one whose times are not minutes."""

CERTAIN = 20.0
"""Where a minute usually has so many requests, none at all (by chance once in e²⁰ minutes) is a recorder's outage."""


class SeriesError(ValueError):
    """A file that cannot be read as a series; the message is one line naming file, place, value and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One value a minute from minute ``first`` on, each (n,), NaN for a gap; ``notes`` says what was taken for one."""

    name: str
    first: int
    requests: Array
    input_tokens: Array
    output_tokens: Array
    notes: tuple[str, ...] = ()


def read(path: Path) -> Series:
    """The series in a file. Raises SeriesError."""
    table = _table(path)
    minute = _numbers(path, table, "minute")
    _check_minutes(path, minute)
    at = (minute - minute[0]).astype(np.int64)
    columns = []
    for name in COLUMNS:
        values = _numbers(path, table, name)
        _refuse(path, name, values, (values < 0) | np.isinf(values), "is no count; give 0 or more, or leave it empty")
        columns.append(np.full(int(at[-1]) + 1, np.nan))
        columns[-1][at] = values
    return _marked(path.stem, int(minute[0]), columns)


def _marked(name: str, first: int, columns: list[Array]) -> Series:
    """With the minutes marked as gaps in which a recorder must have been down."""
    requests = columns[0]
    usual = float(np.median(requests[np.isfinite(requests)])) if np.isfinite(requests).any() else 0.0
    down = requests == 0 if usual >= CERTAIN else np.zeros(len(requests), dtype=bool)
    requests, inputs, outputs = (np.where(down, np.nan, column) for column in columns)
    notes = []
    if down.any():
        notes.append(f"{int(down.sum())} minutes without a request, where {usual:,.0f} are usual, are taken for gaps")
    unknown = int((~np.isfinite(requests) & ~down).sum())
    if unknown:
        notes.append(f"{unknown} minutes are missing")
    return Series(name, first, requests, inputs, outputs, tuple(notes))


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise SeriesError(f"{path}: no such file; give the path of a series (CSV or parquet)")
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        table = pq.read_table(path) if parquet else pa_csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SeriesError(f"{path}: not a readable series ({reason}); give CSV with a header, or parquet") from None
    missing = [name for name in ("minute", *COLUMNS) if name not in table.column_names]
    if missing:
        has = ", ".join(table.column_names[:8])
        raise SeriesError(f"{path}: no column {missing[0]} among {has}; a series has minute, {', '.join(COLUMNS)}")
    if not table.num_rows:
        raise SeriesError(f"{path}: no rows; a series needs a minute or more")
    return table


def _numbers(path: Path, table: pa.Table, name: str) -> Array:
    column = table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        raise SeriesError(f"{path}: column {name} holds {column.type}; write numbers, and nothing for a gap")
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _check_minutes(path: Path, minute: Array) -> None:
    _refuse(path, "minute", minute, ~(np.floor(minute) == minute), "is no whole minute; give 0, 1, 2, …")
    before = np.concatenate([[-np.inf], minute[:-1]])
    _refuse(path, "minute", minute, minute <= before, "is not after the row above it; sort the file and keep each once")
    far = minute - minute[0] >= MOST_MINUTES
    _refuse(path, "minute", minute, far, "is more than five years after the first; count minutes, not seconds")


def _refuse(path: Path, name: str, values: Array, bad: np.ndarray[tuple[int], np.dtype[np.bool_]], why: str) -> None:
    for at in _first(bad):
        raise SeriesError(f"{path}: row {at + 1}, column {name}: {values[at]:g} {why}")


def _first(bad: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[int]:
    if bad.any():
        yield int(bad.argmax())
