"""The export: each piece of the charges in the columns of FOCUS 1.2, and in ``x_`` columns what it has none for.

It is *FOCUS-aligned*: it keeps the rules of 1.2 as far as ``check`` can tell, and no official validator has passed it.
Money is written as exact decimals, so EffectiveCost sums to the account to the nano-dollar. Tokens and joules are known
by service and hour, so they stand on the dearest piece of each, and sum right.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from app.reports.books import Books, Charges
from app.reports.focus.columns import CUSTOM, FOCUS, PART_COLUMNS
from app.reports.focus.pieces import Kind, Piece, pieces
from app.reports.safecsv import guarded
from autoscaler.cost.account import NOBODY, PARTS, PLATFORM
from autoscaler.cost.book import Purchase
from autoscaler.cost.budget import month
from autoscaler.cost.meter import HOUR_S, Used
from autoscaler.cost.money import MICRO_PER_USD, MS_PER_HOUR, NANO_PER_USD

Cell = str | Decimal | None

ISSUER = "Leadtime"
LEFT_OUT = frozenset(
    (
        "AvailabilityZone",
        "BillingAccountType",
        "CapacityReservationId",
        "CapacityReservationStatus",
        "PricingCurrency",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice",
        "SubAccountType",
    )
)
"""Columns for what a fleet has none of: zones, kinds of account, capacity reservations and a second currency."""
NAMES = (*(column.name for column in FOCUS if column.name not in LEFT_OUT), *(column.name for column in CUSTOM))

GPU_HOURS, HOURS = "GPU-Hours", "Hours"
FINEST = Decimal("1e-12")
"""Quantities are written to so much of a unit: far below what a price turns into a nano-dollar."""


def focus_csv(books: Books, made: Charges) -> str:
    """The charges of a span as CSV (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(NAMES)
    writer.writerows([_written(row.get(name)) for name in NAMES] for row in rows(books, made))
    return out.getvalue()


def _written(value: Cell) -> str:
    if value is None:
        return ""
    return _text(value) if isinstance(value, str) else f"{value:f}"


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    """Guarded; a file has few texts, each many times."""
    return guarded(value)


def rows(books: Books, made: Charges) -> Iterator[dict[str, Cell]]:
    """The same as mappings by column; what is absent is null."""
    used = {(row.hour_s, row.service): row for row in made.used}
    found = pieces(made, books.terms)
    dearest = _dearest(found)
    for at, piece in enumerate(found):
        key = piece.hour_s, piece.service
        told = _use(used.get(key)) if dearest.get(key) == at else {}
        yield _period(piece.hour_s) | _what(books, piece) | _commitment(piece) | _money(piece) | _quantity(piece) | told


def _dearest(found: Sequence[Piece]) -> dict[tuple[int, str], int]:
    """Which piece of each hour and service costs most; purchases are none of them."""
    best: dict[tuple[int, str], int] = {}
    for at, piece in enumerate(found):
        key = piece.hour_s, piece.service
        if piece.kind is not Kind.BOUGHT and (key not in best or piece.nano > found[best[key]].nano):
            best[key] = at
    return best


def _period(hour: int) -> dict[str, Cell]:
    start, end = month(hour)
    return {
        "BillingPeriodStart": _time(start),
        "BillingPeriodEnd": _time(end),
        "ChargePeriodStart": _time(hour),
        "ChargePeriodEnd": _time(hour + HOUR_S),
    }


# --- what is charged for -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Offer:
    """What is rented from whom: the ids of the thing and of its price, and how it is bought."""

    provider: str
    region: str | None
    sku: str
    price: str
    purchase: Purchase = Purchase.ON_DEMAND
    gpu: str | None = None
    machine: str | None = None


def _what(books: Books, piece: Piece) -> dict[str, Cell]:
    offer = _offer(books, piece)
    account = None if piece.service == NOBODY else piece.service
    return {
        "BillingAccountId": "fleet",
        "BillingCurrency": "USD",
        "ChargeDescription": _description(piece, offer),
        "InvoiceIssuerName": offer.provider,
        "ProviderName": offer.provider,
        "PublisherName": offer.provider,
        "PricingCategory": _pricing(piece, offer),
        "RegionId": offer.region,
        "RegionName": offer.region,
        "ResourceId": piece.pool,
        "ResourceType": _type(piece),
        "SkuId": offer.sku,
        "SkuMeter": "Platform time" if piece.kind is Kind.PLATFORM else "GPU time",
        "SkuPriceDetails": _details(piece, offer),
        "SkuPriceId": offer.price,
        "SubAccountId": account,
        "SubAccountName": account,
        **_service(piece),
    }


def _offer(books: Books, piece: Piece) -> _Offer:
    if piece.kind is Kind.PLATFORM:
        return _Offer(ISSUER, None, PLATFORM, f"{PLATFORM}/hour")
    own = next((one for one in books.services.get(piece.service, ()) if one.name == piece.pool), None)
    gpu = own.gpu if own else books.racks.get(piece.pool)
    placement = books.terms.placements.get(piece.pool)
    if piece.commitment is not None and piece.kind is not Kind.USED:
        sku, purchase, how = piece.commitment.sku, Purchase.RESERVED, piece.commitment.name
    elif placement is not None:
        sku, purchase, how = placement.sku, placement.purchase, placement.purchase.value
    else:
        purchase = Purchase.SPOT if own and own.spot else Purchase.ON_DEMAND
        thing = gpu or piece.pool
        return _Offer(ISSUER, None, thing, f"{thing}/{piece.pool}/{purchase.value}", purchase, gpu)
    price = "/".join(part for part in (sku.sku, sku.region, how) if part)
    return _Offer(sku.provider, sku.region or None, sku.sku, price, purchase, gpu, sku.sku)


def _pricing(piece: Piece, offer: _Offer) -> str:
    """A reserved price without a commitment that covers it is one that was agreed on, which FOCUS calls Standard."""
    if piece.kind in (Kind.USED, Kind.UNUSED):
        return "Committed"
    return "Dynamic" if offer.purchase is Purchase.SPOT else "Standard"


def _service(piece: Piece) -> dict[str, Cell]:
    """A service has one category, so the platform is another service than what it serves."""
    platform = piece.kind is Kind.PLATFORM
    category = "Management and Governance" if platform else "AI and Machine Learning"
    return {
        "ServiceCategory": category,
        "ServiceSubcategory": f"Other ({category})" if platform else "Generative AI",
        "ServiceName": "Serving platform" if platform else "LLM serving",
    }


def _type(piece: Piece) -> str:
    if piece.kind is Kind.PLATFORM:
        return "Platform"
    return "Commitment" if piece.kind in (Kind.UNUSED, Kind.BOUGHT) else "GPU pool"


def _description(piece: Piece, offer: _Offer) -> str:
    who = "the fleet" if piece.service == NOBODY else piece.service
    if piece.kind is Kind.BOUGHT:
        return f"commitment {piece.pool} for an hour"
    if piece.kind is Kind.UNUSED:
        return f"unused part of commitment {piece.pool} for {who}"
    thing = piece.pool if offer.gpu is None else f"{offer.gpu} of {piece.pool}"
    paid = f", covered by commitment {piece.commitment.name}" if piece.commitment else ""
    return f"{thing} for {who}{paid}"


def _details(piece: Piece, offer: _Offer) -> str | None:
    """Of one GPU-hour, as properties hold for one unit of the price."""
    if piece.kind is Kind.PLATFORM:
        return None
    told = {"GpuCount": 1, "InstanceType": offer.machine, "x_GpuType": offer.gpu}
    return json.dumps({key: value for key, value in told.items() if value is not None})


# --- what it costs -------------------------------------------------------------------------------------------------


def _commitment(piece: Piece) -> dict[str, Cell]:
    bought = piece.kind is Kind.BOUGHT
    told: dict[str, Cell] = {
        "ChargeCategory": "Purchase" if bought else "Usage",
        "ChargeFrequency": "Recurring" if bought else "Usage-Based",
    }
    if piece.commitment is None:
        return told
    return told | {
        "CommitmentDiscountCategory": "Usage",
        "CommitmentDiscountId": piece.commitment.name,
        "CommitmentDiscountName": piece.commitment.name,
        "CommitmentDiscountQuantity": _hours(piece),
        "CommitmentDiscountStatus": None if bought else piece.kind.name.capitalize(),
        "CommitmentDiscountType": "Reserved GPUs",
        "CommitmentDiscountUnit": GPU_HOURS,
    }


def _money(piece: Piece) -> dict[str, Cell]:
    listed, price = _usd(piece.listed_nano), Decimal(piece.micro_usd) / MICRO_PER_USD
    return {
        "BilledCost": _usd(piece.billed_nano),
        "EffectiveCost": _usd(piece.nano),
        "ContractedCost": listed,
        "ContractedUnitPrice": price,
        "ListCost": listed,
        "ListUnitPrice": price,
        "x_MarginalCost": None if piece.marginal_nano is None else _usd(piece.marginal_nano),
        **{PART_COLUMNS[part]: _usd(nano) for part, nano in zip(PARTS, piece.parts, strict=True)},
    }


def _quantity(piece: Piece) -> dict[str, Cell]:
    """Nothing is consumed of what is bought or left unused."""
    hours, unit = _hours(piece), HOURS if piece.kind is Kind.PLATFORM else GPU_HOURS
    told: dict[str, Cell] = {"PricingQuantity": hours, "PricingUnit": unit}
    if piece.kind in (Kind.UNUSED, Kind.BOUGHT):
        return told
    return told | {"ConsumedQuantity": hours, "ConsumedUnit": unit}


def _hours(piece: Piece) -> Decimal:
    """GPU-hours; of the platform the share of the hour that is charged."""
    if piece.kind is Kind.PLATFORM:
        return _plain(Decimal(piece.nano) / (piece.micro_usd * (NANO_PER_USD // MICRO_PER_USD)))
    return _plain(Decimal(piece.gpu_ms) / MS_PER_HOUR)


def _plain(value: Decimal) -> Decimal:
    return value.quantize(FINEST).normalize()


def _usd(nano: int) -> Decimal:
    return (Decimal(nano) / NANO_PER_USD).normalize()


def _use(used: Used | None) -> dict[str, Cell]:
    if used is None or not used.tokens_ms:
        return {}
    return {
        "x_InputTokens": _measured(used.input_tokens),
        "x_OutputTokens": _measured(used.output_tokens),
        "x_CachedTokens": _measured(used.cached_tokens) if used.cached_ms else None,
        "x_EnergyJoules": _measured(used.joules) if used.joules_gpu_ms else None,
    }


def _measured(value: float) -> Decimal:
    """To twelve digits, as a measurement has no more."""
    return Decimal(f"{value:.12g}")


def _time(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
