"""What a row of a trace must be: the first one that is not gives the line that refuses the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.traces.formats import Format
from runtime.traces.tables import Table
from runtime.traces.trace import TraceError

MOST_TOKENS = 10**7
"""A request with more tokens than this is taken for a damaged one."""

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Fault = tuple[str, Column, Mask, str]
"""A column's name and values, where they are wrong, and what to say of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Numbers of some rows, (n,) each, missing ones NaN: times in the file's unit, tokens; ``first`` is the index of
    the first row in the file. ``shared`` is 0 where nothing is said; ``prefixed``: who has a prefix."""

    first: int
    time: Column
    input: Column
    output: Column
    shared: Column
    prefixed: Mask

    @property
    def served(self) -> Mask:
        """Requests that did not fail where they were recorded."""
        return (self.input > 0) & (self.output > 0)


def check(path: Path, table: Table, fmt: Format, rows: Rows, last: float | None) -> None:
    """Raise TraceError for the first row that is not right; ``last`` is the time of the row above the first."""
    at, name, value, fault = min(
        ((int(bad.argmax()), name, values, text) for name, values, bad, text in _faults(fmt, rows, last) if bad.any()),
        key=lambda found: found[0],
        default=(-1, "", rows.time, ""),
    )
    if at >= 0:
        where = f"{path}: {table.place(rows.first + at)}, column {name}"
        raise TraceError(f"{where}: {_shown(value[at], fmt, name)} {fault}")


def _faults(fmt: Format, rows: Rows, last: float | None) -> Iterator[Fault]:
    time = rows.time
    before = np.concatenate([time[:1] if last is None else np.array([last], time.dtype), time[:-1]])
    yield fmt.time, time, ~np.isfinite(time), "is no time; give a number"
    yield fmt.time, time, time < 0, "is negative; give times of 0 or more"
    yield fmt.time, time, time < before, f"is before the row above it; sort the file by {fmt.time}"
    yield from _counts(fmt.input, rows.input)
    yield from _counts(fmt.output, rows.output)
    if fmt.shared is not None:
        shared, more = rows.shared, rows.served & (rows.shared > rows.input)
        yield from _counts(fmt.shared, shared)
        yield fmt.shared, shared, more, f"is more than {fmt.input}; give the part of the prompt that others have too"
        yield (
            fmt.shared,
            shared,
            (shared > 0) & ~rows.prefixed,
            f"has no {fmt.prefix or 'prefix_id'} beside it; give one",
        )


def _counts(name: str, tokens: Column) -> Iterator[Fault]:
    whole = np.isfinite(tokens) & (tokens == np.floor(tokens))
    yield name, tokens, ~whole, "is no count of tokens; give a whole number"
    yield name, tokens, tokens < 0, f"is negative; give 0 to {MOST_TOKENS} tokens"
    yield name, tokens, tokens > MOST_TOKENS, f"is absurd; give 0 to {MOST_TOKENS} tokens"


def _shown(value: Any, fmt: Format, name: str) -> str:
    if name in fmt.dates:
        return str(np.datetime64(int(value), "ns"))
    return "an empty or NaN value" if np.isnan(value) else f"{float(value):.12g}"
