"""The catalogue as a file, the one that ships, and how entries are found in it.

Promise: what is written can be read again, to the digits written (four); a name that is not there is answered with
the ones that come near.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TextIO

from runtime.catalog import hardware, models, neighbours
from runtime.catalog.capacity import kv_tokens
from runtime.catalog.configuration import Configuration
from runtime.catalog.entry import Entry, Quality, Validity
from runtime.catalog.errors import CatalogError
from runtime.catalog.names import near
from runtime.pool import StepTime

_RANGES = ("input_tokens", "output_tokens", "concurrency")
_STEP = ("a_ms", "b_ms_per_seq", "k_ms_per_1k_kv_tokens", "p_ms_per_1k_prefill_tokens")
_SPLIT = ("tensor_parallel", "data_parallel", "moe_tensor", "moe_expert")
_QUALITY = ("in_sample", "left_out", "shape_left_out")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Entries in order of their names."""

    entries: tuple[Entry, ...]

    def matching(self, words: str) -> list[Entry]:
        """Entries whose name holds every word, words parted by blanks or slashes, without regard to case."""
        parts = words.lower().replace("/", " ").split()
        return [entry for entry in self.entries if all(part in entry.name.lower() for part in parts)]

    def find(self, name: str) -> Entry:
        """The entry of that name, or the only configuration that matches its words; of several versions the newest.

        Raises CatalogError that lists near names where no configuration or several match.
        """
        exact = [entry for entry in self.entries if entry.name.lower() == name.lower()]
        any_version = [e for e in self.entries if e.configuration.unversioned.name.lower() == name.lower()]
        found = exact or any_version or self.matching(name)
        if len({entry.configuration.unversioned for entry in found}) == 1:
            return newest(found)
        if found:
            raise CatalogError(f"{name!r} matches {len(found)} entries; {near(name, [e.name for e in found])}")
        raise CatalogError(f"{name!r} is not in the catalogue; {near(name, [e.name for e in self.entries])}")

    def lookup(self, configuration: Configuration) -> Entry | None:
        """The entry of a configuration, else the newest with another version of its engine."""
        same = [e for e in self.entries if e.configuration.unversioned == configuration.unversioned]
        exact = [e for e in same if e.configuration == configuration]
        return newest(exact or same) if same else None

    def transfer(self, target: Configuration) -> Entry:
        """An entry for a configuration never measured. Raises CatalogError for an unknown model or GPU."""
        measured = [
            neighbours.Measured(entry.configuration, entry.step, entry.quality.left_out)
            for entry in self.entries
            if entry.quality is not None
        ]
        made = neighbours.transfer(target, measured)
        source = "transferred from " + ", ".join(f"{name} ({weight:.0%})" for name, weight in made.sources)
        return Entry(target, made.step, kv_tokens(target), None, None, "", "", source)


def newest(entries: Iterable[Entry]) -> Entry:
    """The one measured last; versions have no order of their own."""
    return max(entries, key=lambda entry: (entry.measured_until, entry.name))


@cache
def shipped() -> Catalog:
    """The catalogue that comes with the product, read once."""
    with (files("runtime.catalog") / "data" / "silicon.csv").open(encoding="utf-8") as file:
        return read(file)


def configuration(model: str, precision: str, gpu: str, tp: int, engine: str = "vllm") -> Configuration:
    """The configuration that these words mean. Raises CatalogError with near names for what is not known."""
    if precision not in models.WEIGHT_BYTES:
        raise CatalogError(f"precision {precision!r} is not known; give one of {', '.join(models.WEIGHT_BYTES)}")
    if tp < 1:
        raise CatalogError(f"tp {tp} is no number of GPUs; give 1 or more")
    moe = models.model(model).active_b < models.model(model).parameters_b
    return Configuration(engine, models.model(model).name, precision, hardware.gpu(gpu).name, tp, 1, tp if moe else 1)


def write(entries: Iterable[Entry], file: TextIO) -> None:
    """The entries as CSV."""
    rows = [flat(entry) for entry in entries]
    if not rows:
        raise CatalogError("nothing to write: no configuration has enough rows to be fitted")
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)


def read(file: Iterable[str]) -> Catalog:
    """The inverse of ``write``."""
    return Catalog(tuple(_entry(cells) for cells in csv.DictReader(file)))


def flat(entry: Entry) -> dict[str, str | float | int | bool | None]:
    """An entry as one level of names and values; absent ones are None."""
    c, q, v = entry.configuration, entry.quality, entry.validity
    row: dict[str, str | float | int | bool | None] = {"name": entry.name}
    row |= {name: getattr(c, name) for name in ("engine", "engine_version", "model", "precision", "gpu", *_SPLIT)}
    row |= {name: _round(getattr(entry.step, name)) for name in _STEP}
    row["kv_tokens_estimated"] = entry.kv_tokens
    row |= {f"{name}_error": _round(getattr(q, name)) if q else None for name in _QUALITY}
    row["identified"] = v.identified if v else None
    row["possible"] = entry.possible
    row |= {name: getattr(v, name) if v else None for name in ("rows", "shapes", "bound_rows")}
    for name in _RANGES:
        low, high = getattr(v, name) if v else (None, None)
        row |= {f"{name}_min": low, f"{name}_max": high}
    row |= {"measured_from": entry.measured_from, "measured_until": entry.measured_until}
    return row | {"source": entry.source}


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _entry(cells: Mapping[str, str]) -> Entry:
    measured = bool(cells["rows"])
    tensor, data, moe_tensor, moe_expert = (int(cells[name]) for name in _SPLIT)
    way = Configuration(
        cells["engine"], cells["model"], cells["precision"], cells["gpu"], tensor, data, moe_tensor, moe_expert
    )
    a, b, k, p = (float(cells[name]) for name in _STEP)
    return Entry(
        replace(way, engine_version=cells["engine_version"]),
        StepTime(a, b, k, p),
        int(cells["kv_tokens_estimated"]) if cells["kv_tokens_estimated"] else None,
        _quality(cells) if measured else None,
        _validity(cells) if measured else None,
        cells["measured_from"],
        cells["measured_until"],
        cells["source"],
    )


def _quality(cells: Mapping[str, str]) -> Quality:
    shape = cells["shape_left_out_error"]
    return Quality(float(cells["in_sample_error"]), float(cells["left_out_error"]), float(shape) if shape else None)


def _validity(cells: Mapping[str, str]) -> Validity:
    inputs, outputs, concurrency = ((int(cells[f"{name}_min"]), int(cells[f"{name}_max"])) for name in _RANGES)
    rows, shapes, bound_rows = (int(cells[name]) for name in ("rows", "shapes", "bound_rows"))
    return Validity(inputs, outputs, concurrency, rows, shapes, bound_rows)
