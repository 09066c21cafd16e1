"""A CSV of measurements at fixed concurrency, as rows that can be fitted.

Promise: columns are those of AIConfigurator's silicon sample; the first bad cell ends the reading with one line that
names file, line, column and value. Two habits of that table are undone, both proven by rows that repeat one
measurement (equal TTFT and TPOT to three digits) under two encodings: expert-parallel rows that carry the *product*
of sizes as a size, and measurements that are listed several times (568 of its 2,910 rows), which would let a
left-out row be predicted by its own copy.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from runtime.catalog import hardware
from runtime.catalog.configuration import Configuration
from runtime.catalog.errors import CatalogError
from runtime.catalog.models import WEIGHT_BYTES, known

REQUIRED = ("backend", "model_path", "system", "isl", "osl", "concurrency", "tp_size")
MEASURED = ("silicon_ttft_ms", "silicon_tpot_ms")
UNQUANTISED = "bf16"
"""What an empty precision means."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: ``concurrency`` clients who ask again at once, prompts and answers of one length each."""

    configuration: Configuration
    measured: str
    input_tokens: int
    output_tokens: int
    concurrency: int
    ttft_ms: float
    tpot_ms: float

    @property
    def shape(self) -> tuple[int, int]:
        """Input and output tokens: the family that leave-family-out leaves out."""
        return self.input_tokens, self.output_tokens

    @property
    def output_tokens_per_s_per_gpu(self) -> float:
        """Throughput, from C requests in flight that last TTFT + (O − 1)·TPOT each."""
        lasts_s = (self.ttft_ms + (self.output_tokens - 1) * self.tpot_ms) / 1000
        return self.concurrency * self.output_tokens / lasts_s / self.configuration.gpus


@dataclass(frozen=True, slots=True)
class Table:
    """The distinct rows of a file, in its order, and how many repeated another."""

    rows: tuple[Row, ...]
    repeated: int

    def by_configuration(self) -> dict[Configuration, list[Row]]:
        """Rows of each configuration, configurations in order of their names."""
        groups: dict[Configuration, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.configuration, []).append(row)
        return dict(sorted(groups.items(), key=lambda item: item[0].name))


def read(path: Path) -> Table:
    """The table in a CSV file. Raises CatalogError, one line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return distinct(_rows(path, file))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise CatalogError(f"{path}: {error.strerror}; give the path of a CSV of measurements") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path}: not a readable CSV file ({error}); write it again as UTF-8 text") from None


def distinct(rows: Iterable[Row]) -> Table:
    """Rows without repetitions: same configuration, shape and concurrency, and equal times to three digits.

    The same figures under two versions of an engine are one measurement too; the version named first stays.
    """
    kept: dict[tuple[object, ...], Row] = {}
    count = 0
    for row in rows:
        count += 1
        times = (f"{row.ttft_ms:.3g}", f"{row.tpot_ms:.3g}")
        kept.setdefault((row.configuration.unversioned, row.shape, row.concurrency, *times), row)
    return Table(tuple(kept.values()), count - len(kept))


def _rows(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    reader = csv.DictReader(lines)
    columns = reader.fieldnames or []
    if missing := [name for name in (*REQUIRED, *MEASURED) if name not in columns]:
        raise CatalogError(f"{path}: no column {', '.join(missing)}; needs {', '.join((*REQUIRED, *MEASURED))}")
    empty = True
    for cells in reader:
        empty = False
        yield _Line(path, reader.line_num, cells).row()
    if empty:
        raise CatalogError(f"{path}: holds no measurement; needs a row or more under its header")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file and where it stands."""

    path: Path
    number: int
    cells: Mapping[str, str | None]

    def row(self) -> Row:
        output = self.whole("osl", 2)
        return Row(
            self.configuration(),
            self.text("measured", ""),
            self.whole("isl", 1),
            output,
            self.whole("concurrency", 1),
            self.positive("silicon_ttft_ms"),
            self.positive("silicon_tpot_ms"),
        )

    def configuration(self) -> Configuration:
        name = self.text("model_path")
        model = known(name)
        precision = self.text("precision", UNQUANTISED).lower()
        if precision not in WEIGHT_BYTES:
            self.fail("precision", precision, f"one of {', '.join(WEIGHT_BYTES)}, or nothing for {UNQUANTISED}")
        try:
            gpu = hardware.gpu(self.text("system")).name
        except CatalogError as error:
            self.fail("system", self.text("system"), f"a known GPU ({error})")
        split = self.split(moe=model is None or model.active_b < model.parameters_b)
        return Configuration(
            self.text("backend").lower(),
            model.name if model else name,
            precision,
            gpu,
            *split,
            self.text("backend_version", ""),
        )

    def split(self, moe: bool) -> tuple[int, int, int, int]:
        """Tensor, data, expert-tensor and expert parallel sizes, products undone (see the module)."""
        tensor = self.whole("tp_size", 1)
        data = self.whole("attention_dp_size", 0, default=1) or 1
        if not moe:
            return tensor, data, 1, 1
        moe_tensor = self.whole("moe_tp_size", 0, default=1) or 1
        moe_expert = self.whole("moe_ep_size", 0, default=1) or 1
        said = bool(self.text("attention_dp_size", ""))
        if said and moe_tensor == moe_expert > 1 and tensor * data == moe_expert**2:
            return (tensor if tensor == 1 else moe_expert), (data if data == 1 else moe_expert), 1, moe_expert
        if tensor == data > 1 and moe_expert == tensor * data:
            return tensor, 1, 1, tensor
        if moe_tensor * moe_expert == 1:
            return tensor, data, tensor * data, 1
        return tensor, data, moe_tensor, moe_expert

    def text(self, column: str, default: str | None = None) -> str:
        value = (self.cells.get(column) or "").strip()
        if not value or value.lower() == "nan":
            if default is None:
                self.fail(column, value, "a name")
            return default
        return value

    def number_in(self, column: str) -> float:
        value = self.text(column, "")
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            self.fail(column, value, "a number")
        return found

    def positive(self, column: str) -> float:
        value = self.number_in(column)
        if value <= 0:
            self.fail(column, f"{value:g}", "a number above 0")
        return value

    def whole(self, column: str, least: int, default: int | None = None) -> int:
        if default is not None and not self.text(column, ""):
            return default
        value = self.number_in(column)
        if value != int(value) or not least <= value <= 10_000_000:
            self.fail(column, f"{value:g}", f"a whole number from {least} to 10,000,000")
        return int(value)

    def fail(self, column: str, value: str, right: str) -> NoReturn:
        raise CatalogError(f"{self.path}: line {self.number}, column {column}: {value!r} should be {right}")
