"""Charges by hour in the columns of FOCUS, the FinOps Open Cost and Usage Specification, and a check of such files.

The columns, their types and what may be null follow version 1.2 as far as it is known here; what FOCUS has no column
for stands in ``x_`` columns, as it provides. It is *FOCUS-aligned*: no official validator has passed it. A row is one
service on one pool in one hour. Tokens and joules are known by service and hour, so they stand on the dearest row of
each, and sum right. BilledCost is EffectiveCost: what is metered is not an invoice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.reports.books import Books, Charges
from app.reports.safecsv import Cell, csv_text
from autoscaler.cost.account import NOBODY, PARTS, PLATFORM
from autoscaler.cost.book import Purchase
from autoscaler.cost.budget import month
from autoscaler.cost.meter import HOUR_S, Used
from autoscaler.cost.money import NANO_PER_USD

VERSION = "1.2"
ISSUER = "Leadtime"
PART_COLUMNS = {part: f"x_{part.title().replace('_', '')}Cost" for part in PARTS}
CATEGORIES = {Purchase.ON_DEMAND: "Standard", Purchase.SPOT: "Dynamic", Purchase.RESERVED: "Committed"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``kind`` is text, time or number; ``allowed`` values where they are listed."""

    name: str
    kind: str
    null: bool = False
    allowed: tuple[str, ...] = ()


COLUMNS = (
    Column("BilledCost", "number"),
    Column("BillingAccountId", "text"),
    Column("BillingAccountName", "text", null=True),
    Column("BillingCurrency", "text", allowed=("USD",)),
    Column("BillingPeriodEnd", "time"),
    Column("BillingPeriodStart", "time"),
    Column("ChargeCategory", "text", allowed=("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    Column("ChargeClass", "text", null=True, allowed=("Correction",)),
    Column("ChargeDescription", "text", null=True),
    Column("ChargeFrequency", "text", allowed=("One-Time", "Recurring", "Usage-Based")),
    Column("ChargePeriodEnd", "time"),
    Column("ChargePeriodStart", "time"),
    Column("CommitmentDiscountCategory", "text", null=True, allowed=("Spend", "Usage")),
    Column("CommitmentDiscountId", "text", null=True),
    Column("CommitmentDiscountName", "text", null=True),
    Column("CommitmentDiscountStatus", "text", null=True, allowed=("Used", "Unused")),
    Column("CommitmentDiscountType", "text", null=True),
    Column("ConsumedQuantity", "number", null=True),
    Column("ConsumedUnit", "text", null=True),
    Column("ContractedCost", "number"),
    Column("ContractedUnitPrice", "number", null=True),
    Column("EffectiveCost", "number"),
    Column("InvoiceIssuerName", "text"),
    Column("ListCost", "number"),
    Column("ListUnitPrice", "number", null=True),
    Column("PricingCategory", "text", null=True, allowed=("Standard", "Dynamic", "Committed", "Other")),
    Column("PricingQuantity", "number", null=True),
    Column("PricingUnit", "text", null=True),
    Column("ProviderName", "text"),
    Column("PublisherName", "text"),
    Column("RegionId", "text", null=True),
    Column("RegionName", "text", null=True),
    Column("ResourceId", "text", null=True),
    Column("ResourceName", "text", null=True),
    Column("ResourceType", "text", null=True),
    Column("ServiceCategory", "text", allowed=("AI and Machine Learning", "Compute", "Management and Governance")),
    Column("ServiceName", "text"),
    Column("SkuId", "text", null=True),
    Column("SkuPriceId", "text", null=True),
    Column("SubAccountId", "text", null=True),
    Column("SubAccountName", "text", null=True),
    Column("Tags", "text", null=True),
    *(Column(name, "number") for name in PART_COLUMNS.values()),
    Column("x_MarginalCost", "number", null=True),
    Column("x_InputTokens", "number", null=True),
    Column("x_CachedTokens", "number", null=True),
    Column("x_OutputTokens", "number", null=True),
    Column("x_EnergyJoules", "number", null=True),
)
NAMES = tuple(column.name for column in COLUMNS)
SUM_MATTERS = 1e-6
"""Parts of a row may miss its cost by this many dollars: rounding of what is written."""


def focus_csv(books: Books, made: Charges) -> str:
    """The charges of a span, by hour, service and pool."""
    return csv_text(NAMES, ([row.get(name) for name in NAMES] for row in rows(books, made)))


def rows(books: Books, made: Charges) -> Iterator[dict[str, Cell]]:
    """The same as mappings by column; what is absent is null."""
    used = {(row.hour_s, row.service): row for row in made.used}
    lines, dearest = made.lines, _dearest(made)
    for at, (hour, service, pool) in enumerate(zip(lines.hour_s.tolist(), lines.service, lines.pool, strict=True)):
        parts = lines.parts[at].tolist()
        row = _period(hour) | _what(books, service, pool) | _money(made, at, parts)
        yield row | (_use(used.get((hour, service))) if dearest[hour, service] == at else {})


def _dearest(made: Charges) -> dict[tuple[int, str], int]:
    """Which line of each hour and service costs most."""
    found: dict[tuple[int, str], int] = {}
    costs = made.lines.parts.sum(axis=1).tolist()
    for at, key in enumerate(zip(made.lines.hour_s.tolist(), made.lines.service, strict=True)):
        if key not in found or costs[at] > costs[found[key]]:
            found[key] = at
    return found


def _period(hour: int) -> dict[str, Cell]:
    start, end = month(hour)
    return {
        "BillingPeriodStart": _time(start),
        "BillingPeriodEnd": _time(end),
        "ChargePeriodStart": _time(hour),
        "ChargePeriodEnd": _time(hour + HOUR_S),
    }


def _what(books: Books, service: str, pool: str) -> dict[str, Cell]:
    own = next((one for one in books.services.get(service, ()) if one.name == pool), None)
    placement = books.terms.placements.get(pool)
    commitment = next((one for one in books.terms.commitments if one.name == pool), None)
    sku = placement.sku if placement else commitment.sku if commitment else None
    purchase = placement.purchase if placement else Purchase.SPOT if own and own.spot else Purchase.ON_DEMAND
    gpu = own.gpu if own else books.racks.get(pool)
    return {
        "BillingAccountId": "fleet",
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ChargeDescription": _description(service, pool, gpu, commitment is not None),
        "ChargeFrequency": "Recurring" if commitment else "Usage-Based",
        "CommitmentDiscountCategory": "Usage" if commitment else None,
        "CommitmentDiscountId": commitment.name if commitment else None,
        "CommitmentDiscountName": commitment.name if commitment else None,
        "CommitmentDiscountStatus": "Unused" if commitment else None,
        "CommitmentDiscountType": "Reserved GPUs" if commitment else None,
        "InvoiceIssuerName": sku.provider if sku else ISSUER,
        "ProviderName": sku.provider if sku else ISSUER,
        "PublisherName": sku.provider if sku else ISSUER,
        "PricingCategory": "Committed" if commitment else CATEGORIES[purchase],
        "RegionId": sku.region or None if sku else None,
        "RegionName": sku.region or None if sku else None,
        "ResourceId": pool,
        "ResourceName": pool,
        "ResourceType": "platform" if pool == PLATFORM else "GPU pool",
        "ServiceCategory": "Management and Governance" if pool == PLATFORM else "AI and Machine Learning",
        "ServiceName": "LLM serving",
        "SkuId": sku.sku if sku else gpu,
        "SkuPriceId": f"{sku.sku}/{purchase.value}" if sku else None,
        "SubAccountId": service,
        "SubAccountName": "fleet as a whole" if service == NOBODY else service,
    }


def _description(service: str, pool: str, gpu: str | None, unused: bool) -> str:
    if unused:
        return f"unused part of commitment {pool}"
    return f"{pool} for {service}" if gpu is None else f"{gpu} of {pool} for {service}"


def _money(made: Charges, at: int, parts: list[int]) -> dict[str, Cell]:
    lines = made.lines
    cost, listed = sum(parts) / NANO_PER_USD, int(lines.list_nano[at]) / NANO_PER_USD
    hours, price = int(lines.charged_ms[at]) / 3.6e6, int(lines.micro_usd[at]) / 1e6
    priced = {"ListUnitPrice": price, "ContractedUnitPrice": price} if hours else {}
    counted = dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), hours if hours else None)
    units = dict.fromkeys(("ConsumedUnit", "PricingUnit"), "GPU-Hours" if hours else None)
    costs = {PART_COLUMNS[part]: nano / NANO_PER_USD for part, nano in zip(PARTS, parts, strict=True)}
    seen = int(lines.seen_nano[at]) > 0
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": listed,
        "ListCost": listed,
        "x_MarginalCost": int(lines.marginal_nano[at]) / NANO_PER_USD if seen else None,
        **priced,
        **counted,
        **units,
        **costs,
    }


def _use(used: Used | None) -> dict[str, Cell]:
    if used is None or not used.tokens_ms:
        return {}
    return {
        "x_InputTokens": used.input_tokens,
        "x_OutputTokens": used.output_tokens,
        "x_CachedTokens": used.cached_tokens if used.cached_ms else None,
        "x_EnergyJoules": used.joules if used.joules_gpu_ms else None,
    }


def _time(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- the check ---------------------------------------------------------------------------------------------------


def problems(text: str, most: int = 20) -> list[str]:
    """What is wrong with a file, at most so many lines; empty where nothing is."""
    reader = csv.DictReader(io.StringIO(text))
    names = list(reader.fieldnames or ())
    found = [f"no column {name}" for name in NAMES if name not in names]
    found += [f"column {name} is none of FOCUS's and does not begin with x_" for name in names if _foreign(name)]
    if found:
        return found[:most]
    for number, row in enumerate(reader, start=2):
        found += [f"line {number}: {wrong}" for wrong in _wrong(row)]
        if len(found) >= most:
            return found[:most]
    return found


def _foreign(name: str) -> bool:
    return name not in NAMES and not name.startswith("x_")


def _wrong(row: Mapping[str, str]) -> Iterator[str]:
    for column in COLUMNS:
        value = row[column.name] or ""
        if not value and not column.null:
            yield f"{column.name} is empty"
        elif value and column.allowed and value not in column.allowed:
            yield f"{column.name} {value!r} is none of {', '.join(column.allowed)}"
        elif value and not _reads(column.kind, value):
            yield f"{column.name} {value!r} is no {column.kind}"
    if all(_reads("number", row[name] or "") for name in SUMMED):
        parts, cost = sum(float(row[name]) for name in SUMMED[1:]), float(row[SUMMED[0]])
        if abs(parts - cost) > SUM_MATTERS:
            yield f"the parts sum to {parts:.6f} and not to EffectiveCost {cost:.6f}"
    if row["ChargePeriodStart"] >= row["ChargePeriodEnd"]:
        yield "ChargePeriodStart is not before ChargePeriodEnd"
    if bool(row["PricingQuantity"]) != bool(row["PricingUnit"]):
        yield "one of PricingQuantity and PricingUnit is without the other"


SUMMED = ("EffectiveCost", *PART_COLUMNS.values())


def _reads(kind: str, value: str) -> bool:
    checks: dict[str, Callable[[str], object]] = {
        "number": float,
        "time": lambda text: datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"),
        "text": str,
    }
    try:
        checks[kind](value)
    except ValueError:
        return False
    return True
