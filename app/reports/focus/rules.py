"""The rules of FOCUS 1.2 that one row must keep, as data: which column is wrong, when, and what would be right.

They are the MUST and MUST NOT requirements that a file can be held to; what only its provider knows (whether a price is
the published one) is not among them, nor is what 1.2 merely recommends. Conditions read an absent column as null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.reports.focus.columns import PART_COLUMNS
from app.reports.focus.values import CATEGORY_OF

Row = Mapping[str, str]
"""A row by column: null is the empty string, and so is a column that the file has not."""
When = Callable[[Row], bool]


class Cells(dict[str, str]):
    """A row of a file; a column that is not there reads as null."""

    def __missing__(self, name: str) -> str:
        return ""


NEAR = Decimal("1e-8")
"""Products and sums may miss by this many units of the currency, or by this share of the larger: both are rounded."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``broken`` tells of a row whether ``column`` is wrong; ``right`` says what would not be."""

    column: str
    broken: When
    right: str


NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(E-?\d{1,3})?", re.ASCII)
"""A plain decimal or E notation: no sign before what is positive, no separators, no units."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def number(row: Row, name: str) -> Decimal | None:
    """A cell as a number; None where it is null or none."""
    return Decimal(row[name]) if NUMBER.fullmatch(row[name]) else None


def near(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts are equal but for rounding."""
    return abs(one - other) <= NEAR * max(Decimal(1), abs(one), abs(other))


# --- conditions ------------------------------------------------------------------------------------------------------


def _is(column: str, *values: str) -> When:
    return lambda row: row[column] in values


def _firm(row: Row) -> bool:
    """Whether a row is no correction, whose numbers may be at odds."""
    return row["ChargeClass"] != "Correction"


def _traded(row: Row) -> bool:
    return _firm(row) and row["ChargeCategory"] in ("Usage", "Purchase")


def _consumed(row: Row) -> bool:
    return row["ChargeCategory"] == "Usage" and row["CommitmentDiscountStatus"] != "Unused"


def _committed(row: Row) -> bool:
    return row["ChargeCategory"] in ("Usage", "Purchase") and bool(row["CommitmentDiscountId"])


def _bought(row: Row) -> bool:
    """Whether a row is the purchase of a commitment."""
    return row["ChargeCategory"] == "Purchase" and bool(row["CommitmentDiscountId"])


def _covered(row: Row) -> bool:
    """Whether a commitment pays for a row."""
    return row["ChargeCategory"] == "Usage" and bool(row["CommitmentDiscountId"])


_usage, _tax, _credit = _is("ChargeCategory", "Usage"), _is("ChargeCategory", "Tax"), _is("ChargeCategory", "Credit")
_unused, _used = _is("CommitmentDiscountStatus", "Unused"), _is("CommitmentDiscountStatus", "Used")


# --- kinds of rule ---------------------------------------------------------------------------------------------------


def _empty(column: str, when: When, right: str) -> Rule:
    return Rule(column, lambda row: bool(row[column]) and when(row), f"leave it empty {right}")


def _filled(column: str, when: When, right: str) -> Rule:
    return Rule(column, lambda row: not row[column] and when(row), f"give one {right}")


def _only_with(column: str, other: str) -> Rule:
    return _empty(column, lambda row: not row[other], f"where {other} is")


def _along(column: str, other: str) -> tuple[Rule, Rule]:
    return _only_with(column, other), _filled(column, lambda row: bool(row[other]), f"where {other} has one")


def _priced(column: str) -> tuple[Rule, Rule]:
    return (
        _empty(column, _tax, "where ChargeCategory is Tax"),
        _filled(column, _traded, "for Usage and Purchase that is no correction"),
    )


def _zero(column: str, when: When, right: str) -> Rule:
    return Rule(column, lambda row: when(row) and number(row, column) not in (None, Decimal(0)), f"give 0 {right}")


def _price(column: str) -> Rule:
    return Rule(column, lambda row: (number(row, column) or 0) < 0, "give zero or more")


def _product(cost: str, price: str) -> Rule:
    def broken(row: Row) -> bool:
        told = [number(row, name) for name in (cost, price, "PricingQuantity")]
        if None in told or not _firm(row):
            return False
        amount, each, quantity = (one or Decimal(0) for one in told)
        return not near(amount, each * quantity)

    return Rule(cost, broken, f"give {price} times PricingQuantity")


def _billed(column: str, price: str | None) -> Rule:
    """A credit stands alone, so without a price of its own it costs what is billed."""

    def broken(row: Row) -> bool:
        one, other = number(row, column), number(row, "BilledCost")
        return _credit(row) and not (price and row[price]) and None not in (one, other) and one != other

    return Rule(column, broken, "give the BilledCost, as a Credit is related to no other charge")


def _before(start: str, end: str) -> Rule:
    return Rule(
        start, lambda row: TIME.fullmatch(row[end]) is not None and row[start] >= row[end], f"give a time before {end}"
    )


def _at_most(column: str, other: str) -> Rule:
    def broken(row: Row) -> bool:
        one, most = number(row, column), number(row, other)
        return one is not None and most is not None and one > most and not near(one, most)

    return Rule(column, broken, f"give {other} or less, of which it is a part")


# --- the rules -------------------------------------------------------------------------------------------------------

UNIT_PRICES = (
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyListUnitPrice",
)

NULLS = (
    *(rule for name in (*UNIT_PRICES, "PricingCategory", "PricingQuantity") for rule in _priced(name)),
    *(rule for name in ("SkuId", "SkuPriceId") for rule in _priced(name)),
    *_along("BillingAccountType", "BillingAccountId"),
    *_along("CommitmentDiscountCategory", "CommitmentDiscountId"),
    *_along("CommitmentDiscountType", "CommitmentDiscountId"),
    *_along("CommitmentDiscountUnit", "CommitmentDiscountQuantity"),
    *_along("ConsumedUnit", "ConsumedQuantity"),
    *_along("PricingUnit", "PricingQuantity"),
    *_along("RegionName", "RegionId"),
    *_along("ResourceType", "ResourceId"),
    *_along("SubAccountName", "SubAccountId"),
    *_along("SubAccountType", "SubAccountId"),
    _only_with("CapacityReservationStatus", "CapacityReservationId"),
    _only_with("CommitmentDiscountName", "CommitmentDiscountId"),
    _only_with("CommitmentDiscountStatus", "CommitmentDiscountId"),
    _only_with("ResourceName", "ResourceId"),
    _only_with("SkuMeter", "SkuId"),
    _only_with("SkuPriceDetails", "SkuPriceId"),
    _filled("CommitmentDiscountStatus", _covered, "for Usage that a commitment covers: Used or Unused"),
    _filled(
        "CapacityReservationStatus",
        lambda row: _usage(row) and bool(row["CapacityReservationId"]),
        "for Usage of a capacity reservation: Used or Unused",
    ),
    _empty("CommitmentDiscountQuantity", lambda row: not _committed(row), "but for Usage and Purchase of a commitment"),
    _filled("CommitmentDiscountQuantity", lambda row: _firm(row) and _committed(row), "for what a commitment covers"),
    _empty("ConsumedQuantity", lambda row: not _consumed(row), "but for Usage that is not Unused"),
    _filled("ConsumedQuantity", lambda row: _firm(row) and _consumed(row), "for Usage that is not Unused"),
)

AMOUNTS = (
    *map(_price, UNIT_PRICES),
    _product("ContractedCost", "ContractedUnitPrice"),
    _product("ListCost", "ListUnitPrice"),
    _billed("ContractedCost", "ContractedUnitPrice"),
    _billed("ListCost", "ListUnitPrice"),
    _billed("EffectiveCost", None),
    _zero("EffectiveCost", _bought, "for the purchase of a commitment, which is spread over what it covers"),
    _zero("PricingCurrencyEffectiveCost", _bought, "for the purchase of a commitment"),
    _zero("BilledCost", lambda row: _firm(row) and _covered(row), "for what a commitment pays for"),
    _zero(
        "BilledCost",
        lambda row: row["ProviderName"] != row["InvoiceIssuerName"],
        "where InvoiceIssuerName is not ProviderName, as another is paid",
    ),
)

VALUES = (
    Rule(
        "ChargeFrequency",
        lambda row: row["ChargeCategory"] == "Purchase" and row["ChargeFrequency"] == "Usage-Based",
        "give One-Time or Recurring for a Purchase",
    ),
    Rule(
        "ServiceSubcategory",
        lambda row: CATEGORY_OF.get(row["ServiceSubcategory"], row["ServiceCategory"]) != row["ServiceCategory"],
        "give one that belongs to the ServiceCategory",
    ),
    Rule(
        "PricingCategory",
        lambda row: _firm(row) and _covered(row) and row["PricingCategory"] not in ("", "Committed"),
        "give Committed for what a commitment covers",
    ),
    Rule(
        "PricingCategory",
        lambda row: row["PricingCategory"] == "Committed" and (_bought(row) or not row["CommitmentDiscountId"]),
        "give Committed only for what the commitment in CommitmentDiscountId covers, not for its purchase",
    ),
    Rule("ChargeCategory", lambda row: _unused(row) and not _usage(row), "give Usage for the unused part"),
    Rule(
        "ResourceId",
        lambda row: (_bought(row) or _unused(row)) and row["ResourceId"] != row["CommitmentDiscountId"],
        "give the CommitmentDiscountId for the purchase of a commitment and for its unused part",
    ),
    _filled("ResourceId", lambda row: _usage(row) and _used(row), "for what got the discount"),
    _before("BillingPeriodStart", "BillingPeriodEnd"),
    _before("ChargePeriodStart", "ChargePeriodEnd"),
)


def _sum_missed(row: Row) -> bool:
    told = [number(row, name) for name in ("EffectiveCost", *PART_COLUMNS.values())]
    whole, *parts = (one for one in told if one is not None)
    return len(parts) == len(PART_COLUMNS) and not near(whole, sum(parts, Decimal(0)))


CUSTOM = (
    Rule("x_ActiveCost", _sum_missed, "give parts that sum to EffectiveCost"),
    _at_most("x_MarginalCost", "x_ActiveCost"),
    _at_most("x_CachedTokens", "x_InputTokens"),
    *map(_price, ("x_InputTokens", "x_CachedTokens", "x_OutputTokens", "x_EnergyJoules")),
)

RULES = (*NULLS, *AMOUNTS, *VALUES, *CUSTOM)
