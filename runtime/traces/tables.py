"""Files as tables, read in batches so that memory stays bounded: parquet, CSV, and JSON lines.

A table knows its columns, yields record batches of the columns asked for, and can say where in the file a row stands.
What the file is, its first bytes say, not its name.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from runtime.traces.formats import Format
from runtime.traces.keys import is_key
from runtime.traces.trace import TraceError

_ROWS = 1 << 18
_LINES = 1 << 14
_PARQUET = b"PAR1"
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What the parquet reader raises on a file that is cut or has other bytes where its own were."""


class Table(Protocol):
    """A file of named columns."""

    columns: tuple[str, ...]
    ragged: bool
    """Whether further rows may have columns that ``columns``, those of the first, does not name."""

    def batches(self, fmt: Format) -> Iterator[pa.RecordBatch]:
        """The columns of that format in file order; a missing value is null, dates are text, keys text or numbers.

        A list of blocks is a list of int64. Raises TraceError naming the line that is not one.
        """
        ...

    def place(self, row: int) -> str:
        """Where the row with this index (from 0) stands, as a person would look for it."""
        ...


def open_table(path: Path) -> Table:
    """The table in a file. Raises TraceError for what is missing, empty or cut."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file; give the path of a trace (CSV, parquet or JSON lines)") from None
    except (IsADirectoryError, PermissionError) as error:
        raise TraceError(f"{path}: {error.strerror}; give the path of a readable trace file") from None
    if not head.strip():
        raise TraceError(f"{path}: the file is empty; a trace needs a request or more")
    if head.startswith(_PARQUET) or path.suffix == ".parquet":
        return ParquetTable(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return JsonTable(path)
    return CsvTable(path)


class ParquetTable:
    """A parquet file."""

    ragged = False

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except _DAMAGE:
            raise TraceError(f"{path}: the parquet file is cut or damaged; copy or write it again") from None
        self.columns = tuple(self._file.schema_arrow.names)

    def batches(self, fmt: Format) -> Iterator[pa.RecordBatch]:
        """See Table."""
        for name in fmt.columns:
            kind = self._file.schema_arrow.field(name).type
            if not _fits(kind, fmt, name):
                raise TraceError(f"{self._path}: column {name} holds {kind}; write it as {_right(fmt, name)}")
        try:
            yield from self._file.iter_batches(_ROWS, columns=list(fmt.columns))
        except _DAMAGE as error:
            raise TraceError(
                f"{self._path}: the parquet file is cut or damaged ({_first_line(error)}); copy or write it again"
            ) from None

    def place(self, row: int) -> str:
        """Rows are counted from 1."""
        return f"row {row + 1}"


class CsvTable:
    """A CSV file with a header line."""

    ragged = False

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as file:
            header = file.readline().replace("\0", "\ufffd")
        try:
            self.columns = tuple(name.strip() for name in next(csv.reader([header])))
        except csv.Error as error:
            raise TraceError(f"{path}: not a readable CSV file ({error}); write it again as UTF-8 text") from None

    def _open(self) -> Any:
        return self._path.open(encoding="utf-8-sig", errors="replace", newline="")

    def batches(self, fmt: Format) -> Iterator[pa.RecordBatch]:
        """See Table."""
        if fmt.blocks is not None:
            raise TraceError(f"{self._path}: column {fmt.blocks}: CSV has no lists; write the trace as JSON lines")
        try:
            yield from pa_csv.open_csv(
                self._path,
                read_options=pa_csv.ReadOptions(
                    column_names=list(self.columns), skip_rows=1, block_size=1 << 23, use_threads=True
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types={name: pa.float64() if name in fmt.numbers else pa.string() for name in fmt.columns},
                    include_columns=fmt.columns,
                    null_values=["", " "],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if str(error) == "Empty CSV file":
                return
            raise TraceError(self._explain(fmt, error)) from None

    def _explain(self, fmt: Format, error: pa.ArrowInvalid) -> str:
        """Read slowly, to name the line that could not be read."""
        wide = len(self.columns)
        with self._open() as file:
            reader = csv.reader(line.replace("\0", "\ufffd") for line in file)
            for cells in islice(reader, 1, None):
                where = f"{self._path}: line {reader.line_num}"
                if cells and len(cells) != wide:
                    return f"{where} has {len(cells)} columns, not {wide}: {_cut(','.join(cells))}; mend or remove it"
                for name, cell in zip(self.columns, cells, strict=False):
                    if name in fmt.numbers and not _is_number(cell):
                        return f"{where}, column {name}: {_cut(cell)} is no number; mend or remove it"
        return f"{self._path}: not a readable CSV file ({_first_line(error)}); write it again as UTF-8 text"

    def place(self, row: int) -> str:
        """Lines are counted from 1, header and blank lines too."""
        with self._open() as file:
            filled = (number for number, line in enumerate(file, 1) if line.strip())
            return f"line {next(islice(filled, row + 1, None))}"


class JsonTable:
    """JSON lines: one object a line."""

    ragged = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = tuple(next(self._objects())[1])

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except json.JSONDecodeError:
                    value = None
                if not isinstance(value, dict):
                    raise TraceError(
                        f"{self._path}: line {number} is no JSON object: {_cut(line.strip())}; mend or remove it"
                    )
                yield number, value

    def batches(self, fmt: Format) -> Iterator[pa.RecordBatch]:
        """See Table."""
        objects = self._objects()
        while chunk := list(islice(objects, _LINES)):
            yield pa.record_batch(
                [
                    pa.array([self._value(number, line, name, fmt) for number, line in chunk], _json_type(fmt, name))
                    for name in fmt.columns
                ],
                names=list(fmt.columns),
            )

    def _value(self, number: int, line: dict[str, Any], name: str, fmt: Format) -> Any:
        value = line.get(name)
        if value is None:
            return None
        if name in fmt.dates:
            return str(value)
        if name == fmt.blocks and isinstance(value, list) and all(map(_is_id, value)):
            return value
        if name in fmt.keys and isinstance(value, int | str) and not isinstance(value, bool):
            return str(value)
        if name not in fmt.numbers or isinstance(value, bool) or not isinstance(value, int | float):
            raise TraceError(
                f"{self._path}: line {number}, column {name}: {_cut(json.dumps(value))} is no {_kind(fmt, name)}; "
                f"{f'write it as {_right(fmt, name)}' if name not in fmt.numbers else 'mend or remove it'}"
            )
        # JSON has no largest number; what no float holds is absurd as a time and as a count.
        return float(max(min(value, 1e300), -1e300))

    def place(self, row: int) -> str:
        """Lines are counted from 1."""
        return f"line {next(islice(self._objects(), row, None))[0]}"


def _json_type(fmt: Format, name: str) -> pa.DataType:
    if name == fmt.blocks:
        return pa.list_(pa.int64())
    return pa.float64() if name in fmt.numbers else pa.string()


def _fits(kind: pa.DataType, fmt: Format, name: str) -> bool:
    """Whether a column of that type can be what the format wants of it."""
    if name == fmt.blocks:
        return bool((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_integer(kind.value_type))
    if name in fmt.keys:
        return is_key(kind)
    return _is_date(kind) if name in fmt.dates else _is_numeric(kind)


def _right(fmt: Format, name: str) -> str:
    if name == fmt.blocks:
        return "lists of whole numbers"
    if name in fmt.keys:
        return "text or whole numbers"
    return "dates" if name in fmt.dates else "numbers"


def _kind(fmt: Format, name: str) -> str:
    return "key" if name in fmt.keys else "list of block ids" if name == fmt.blocks else "number"


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
