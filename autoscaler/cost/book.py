"""The price book: what a GPU-hour costs, as dated rows, each with who asks it and where that was read.

The same chip is rented at prices four times apart and prices change, so a price is never a constant per GPU type: a
row holds from its date until the next of the same offer. The shipped book is the planner's table
(``autoscaler.planning.prices``); an operator's own rows, from the fleet file or a CSV file, come on top.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

from autoscaler.planning.prices import Offer, shipped

COLUMNS = ("provider", "region", "sku", "gpu", "purchase", "usd_per_gpu_hour", "from", "source")


class PriceError(ValueError):
    """A price that cannot be used; one line that names the row and what would be right."""


class Purchase(StrEnum):
    """How GPU time is bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Sku:
    """What is rented, and from whom."""

    provider: str
    region: str
    sku: str


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price per GPU-hour that holds from the start of a day, UTC."""

    sku: Sku
    gpu: str
    purchase: Purchase
    usd_per_gpu_hour: float
    since: date
    source: str

    @property
    def from_s(self) -> float:
        """When it begins to hold, UTC seconds."""
        return datetime(self.since.year, self.since.month, self.since.day, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Rows by offer and way of buying, oldest first; later rows of the same day win."""

    rows: tuple[PriceRow, ...]
    _dated: Mapping[tuple[Sku, Purchase], list[PriceRow]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        dated: dict[tuple[Sku, Purchase], list[PriceRow]] = {}
        for row in sorted(self.rows, key=lambda row: row.since):
            dated.setdefault((row.sku, row.purchase), []).append(row)
        object.__setattr__(self, "_dated", dated)

    def dated(self, sku: Sku, purchase: Purchase) -> list[PriceRow]:
        """The rows of one offer, oldest first; empty where the book has none."""
        return self._dated.get((sku, purchase), [])

    def at(self, sku: Sku, purchase: Purchase, at_s: float) -> PriceRow | None:
        """The row in force; None where the book has none yet at that time."""
        rows = self.dated(sku, purchase)
        newest = bisect_right(rows, at_s, key=lambda row: row.from_s)
        return rows[newest - 1] if newest else None

    def with_rows(self, rows: Iterable[PriceRow]) -> PriceBook:
        """These on top of it."""
        return PriceBook((*self.rows, *rows))


def shipped_book() -> PriceBook:
    """The planner's table of list prices as dated rows."""
    return PriceBook(tuple(row for offer in shipped() for row in _rows(offer)))


def _rows(offer: Offer) -> Iterable[PriceRow]:
    sku, since = Sku(offer.provider, offer.region, offer.sku), day(offer.date)
    for purchase, usd in (
        (Purchase.ON_DEMAND, offer.on_demand_usd),
        (Purchase.SPOT, offer.spot_usd),
        (Purchase.RESERVED, offer.reserved_usd),
    ):
        if usd is not None:
            yield PriceRow(sku, offer.gpu, purchase, usd, since, offer.source)


def day(text: str) -> date:
    """``2026-11-30``, or ``2026-11`` for the first of the month; PriceError for anything else."""
    try:
        return date.fromisoformat(text if len(text) > len("2026-11") else f"{text}-01")
    except ValueError:
        raise PriceError(f"date {text!r} is none; give YYYY-MM-DD") from None


def read_csv(path: Path) -> tuple[PriceRow, ...]:
    """The rows of a price file with the columns ``COLUMNS``; PriceError names file, line and column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PriceError(f"{path}: {error.strerror}; give a CSV file with {','.join(COLUMNS)}") from None
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise PriceError(f"{path}: no column {missing[0]!r}; the first line must name {','.join(COLUMNS)}")
    return tuple(_row(f"{path}, line {reader.line_num}", row) for row in reader)


def _row(where: str, row: Mapping[str, str | None]) -> PriceRow:
    told = {name: (row[name] or "").strip() for name in COLUMNS}
    try:
        return PriceRow(
            Sku(told["provider"], told["region"], told["sku"]),
            told["gpu"],
            purchase_of(told["purchase"]),
            dollars(told["usd_per_gpu_hour"]),
            day(told["from"]),
            told["source"],
        )
    except PriceError as error:
        raise PriceError(f"{where}: {error}") from None


def purchase_of(text: str) -> Purchase:
    """A way of buying by its name; PriceError for another."""
    if text not in set(Purchase):
        raise PriceError(f"purchase {text!r} is unknown; give {', '.join(Purchase)}")
    return Purchase(text)


def dollars(text: str) -> float:
    """A price of zero or more; PriceError for anything else."""
    try:
        usd = float(text)
    except ValueError:
        usd = -1.0
    if not 0 <= usd < 1e6:
        raise PriceError(f"usd_per_gpu_hour {text!r} is no price; give dollars such as 2.95")
    return usd
