"""Whether a file is in the columns of FOCUS 1.2: one line for each thing that is wrong, with what would be right.

Checked are the columns, the format of each cell, the rules of each row, and what only the file as a whole shows: that a
service has one category, a price one SKU, and that the purchases of a commitment pay for what it covers. Rows are read
one by one, so a file may be of any length.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice

from app.reports.focus.columns import FOCUS, KNOWN, Column, Holds
from app.reports.focus.rules import NUMBER, RULES, TIME, Cells, Row, near, number
from app.reports.focus.values import CURRENCIES, NUMBERS_OF_A_PRICE, TEXTS_OF_A_PRICE

EXAMPLES = {
    Holds.TEXT: "a text",
    Holds.TIME: "a time in UTC such as 2026-11-01T00:00:00Z",
    Holds.NUMBER: "a number such as -12.5 or 1.25E-7",
    Holds.CURRENCY: "a currency of ISO 4217 such as USD",
    Holds.JSON: 'a JSON object of plain values such as {"GpuCount": 1}',
}
PLACEHOLDERS = frozenset(("not applicable", "n/a"))
"""What stands for nothing is null, that is an empty cell."""

ONE_EACH = (
    ("ServiceName", "ServiceCategory"),
    ("SkuPriceId", "SkuId"),
    ("CommitmentDiscountId", "CommitmentDiscountUnit"),
)
"""Of one provider, each value of the first has one value of the second."""


def problems(text: str, most: int = 20) -> list[str]:
    """What is wrong with a file, at most so many lines; empty where nothing is."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        return list(islice(_found(next(reader, []), reader), most))
    except csv.Error as error:
        return [f"line {reader.line_num} cannot be read ({error}); give comma-separated values"]


def _found(names: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    """Rows are looked at where the columns are right."""
    wrong = list(_header(names))
    yield from wrong or _body(names, rows)


# --- the columns -----------------------------------------------------------------------------------------------------


def _header(names: Sequence[str]) -> Iterator[str]:
    for column in FOCUS:
        if column.always and column.name not in names:
            yield f"no column {column.name}; every file has one"
    for column in KNOWN.values():
        kin = next((name for name in names if column.family and _family(name) == column.family), None)
        if kin and column.name not in names:
            yield f"no column {column.name}; give it beside {kin}, as both are about {column.family}"
    for name, count in Counter(names).items():
        if count > 1:
            yield f"column {name} is there {count} times; give it once"
        if name not in KNOWN and not name.startswith("x_"):
            yield f"column {name} is none of FOCUS's; begin its name with x_"


def _family(name: str) -> str:
    return KNOWN[name].family if name in KNOWN else ""


# --- the rows --------------------------------------------------------------------------------------------------------


def _body(names: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    columns = [KNOWN[name] for name in names if name in KNOWN]
    rules = [rule for rule in RULES if rule.column in names]
    whole = _Whole()
    for line, cells in enumerate(rows, start=2):
        if len(cells) != len(names):
            yield f"line {line} has {len(cells)} cells; give {len(names)}, as the first line does"
            continue
        row = Cells(zip(names, cells, strict=True))
        wrong = {column.name: right for column in columns if (right := _format(column, row[column.name]))}
        broken = [(rule.column, rule.right) for rule in rules if rule.column not in wrong and rule.broken(row)]
        for name, right in [*wrong.items(), *broken, *whole.clashes(line, row)]:
            yield _said(line, name, row[name], right)
    yield from whole.unpaid()


def _said(line: int, name: str, value: str, right: str) -> str:
    return f"line {line}, {name} {value!r}: {right}" if value else f"line {line}, {name} is empty: {right}"


def _format(column: Column, value: str) -> str:
    """What would be right for a cell; empty where it is."""
    if not value:
        return _right(column) if column.filled else ""
    if column.name == "SkuPriceDetails" and (wrong := _property(value)):
        return wrong
    fits = value in column.allowed if column.allowed else _reads(column.holds, value)
    return "" if fits else _right(column)


def _right(column: Column) -> str:
    if not column.allowed:
        return f"give {EXAMPLES[column.holds]}"
    return f"give {' or '.join(column.allowed)}" if len(column.allowed) < 10 else "give one of those that FOCUS lists"


def _reads(holds: Holds, value: str) -> bool:
    match holds:
        case Holds.NUMBER:
            return NUMBER.fullmatch(value) is not None
        case Holds.TIME:
            return TIME.fullmatch(value) is not None and _a_day(value)
        case Holds.CURRENCY:
            return value in CURRENCIES
        case Holds.JSON:
            return _pairs(value) is not None
        case Holds.TEXT:
            return value.strip().casefold() not in PLACEHOLDERS


def _a_day(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _pairs(value: str) -> dict[str, object] | None:
    """A JSON object whose keys are there once and whose values are plain; None for anything else."""
    try:
        told = json.loads(value, object_pairs_hook=list, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, list) or not value.lstrip().startswith("{"):
        return None
    pairs = dict(told)
    plain = all(one is None or isinstance(one, str | int | float) for one in pairs.values())
    return pairs if plain and len(pairs) == len(told) else None


def _refused(constant: str) -> None:
    """JSON has no NaN and no infinity, though Python reads them."""
    raise ValueError(constant)


def _property(value: str) -> str:
    """What would be right for the properties of a price; empty where they are, or where they are no object at all."""
    for key, one in (_pairs(value) or {}).items():
        if key in NUMBERS_OF_A_PRICE and (isinstance(one, bool) or not isinstance(one, int | float)):
            return f"give a number for {key}"
        if key in TEXTS_OF_A_PRICE and not isinstance(one, str):
            return f"give a text for {key}"
        if key not in NUMBERS_OF_A_PRICE | TEXTS_OF_A_PRICE and not key.startswith("x_"):
            return f"begin {key} with x_, as it is none of FOCUS's properties"
    return ""


# --- the whole -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Paid:
    """A commitment so far: what its usage costs, what its purchases are billed, and where the first one stands."""

    used: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    line: int | None = None
    recurring: bool = True


@dataclass(slots=True)
class _Whole:
    """What rows say together."""

    first: dict[tuple[str, str, str], tuple[str, int]] = field(default_factory=dict)
    paid: dict[tuple[str, str], _Paid] = field(default_factory=lambda: defaultdict(_Paid))

    def clashes(self, line: int, row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The columns in which a row is at odds with an earlier one, and what would be right."""
        for parent, child in ONE_EACH:
            if row[parent] and row[child]:
                key = row["ProviderName"], parent, row[parent]
                value, since = self.first.setdefault(key, (row[child], line))
                if value != row[child]:
                    yield child, f"give {value!r}, as {parent} {row[parent]!r} has it in line {since}"
        self._pay(line, row)

    def _pay(self, line: int, row: Row) -> None:
        effective, billed = number(row, "EffectiveCost"), number(row, "BilledCost")
        if not row["CommitmentDiscountId"] or effective is None or billed is None:
            return
        paid = self.paid[row["ProviderName"], row["CommitmentDiscountId"]]
        if row["ChargeCategory"] == "Usage":
            paid.used += effective
        elif row["ChargeCategory"] == "Purchase":
            paid.billed += billed
            paid.line = paid.line or line
            paid.recurring &= row["ChargeFrequency"] == "Recurring"

    def unpaid(self) -> Iterator[str]:
        """Commitments bought again and again whose purchases in the file are not what their usage in it costs.

        What is bought once is paid for outside of most files, so it cannot be told there.
        """
        for (_, name), paid in self.paid.items():
            if paid.line is not None and paid.recurring and not near(paid.used, paid.billed):
                used, billed = (f"{sum_of.normalize():f}" for sum_of in (paid.used, paid.billed))
                told = (
                    f"the purchases of commitment {name!r} sum to {billed}; give {used}, the EffectiveCost of its usage"
                )
                yield f"line {paid.line}, BilledCost: {told}"
