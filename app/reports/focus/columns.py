"""The columns of FOCUS 1.2, all 57, and our own ``x_`` columns beside them: what each holds, and when it must be there.

Which conditional columns a file must have depends on what its provider supports, which no file says. But one column of
a ``family`` tells that the provider has what the family is about, so the others must be there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.reports.focus.values import CATEGORY_OF, SUBCATEGORIES
from autoscaler.cost.account import PARTS

VERSION = "1.2"


class Holds(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    TIME = "time"
    NUMBER = "number"
    CURRENCY = "currency"
    JSON = "JSON object"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``always`` it must be there; ``filled`` in every row; ``allowed`` values where they are listed."""

    name: str
    holds: Holds = Holds.TEXT
    always: bool = False
    filled: bool = False
    family: str = ""
    allowed: tuple[str, ...] = ()


def _must(name: str, holds: Holds = Holds.TEXT, allowed: tuple[str, ...] = ()) -> Column:
    return Column(name, holds, always=True, filled=True, allowed=allowed)


COMMITMENT, RESERVATION, USAGE = "commitment discounts", "capacity reservations", "measured usage"
RESOURCE, REGION, ACCOUNT, SKU = "resources", "regions", "sub accounts", "price lists"
STATUS = ("Used", "Unused")

FOCUS = (
    Column("AvailabilityZone"),
    _must("BilledCost", Holds.NUMBER),
    _must("BillingAccountId"),
    Column("BillingAccountName", always=True),
    Column("BillingAccountType"),
    _must("BillingCurrency", Holds.CURRENCY),
    _must("BillingPeriodEnd", Holds.TIME),
    _must("BillingPeriodStart", Holds.TIME),
    Column("CapacityReservationId", family=RESERVATION),
    Column("CapacityReservationStatus", family=RESERVATION, allowed=STATUS),
    _must("ChargeCategory", allowed=("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    Column("ChargeClass", always=True, allowed=("Correction",)),
    Column("ChargeDescription", always=True),
    Column("ChargeFrequency", filled=True, allowed=("One-Time", "Recurring", "Usage-Based")),
    _must("ChargePeriodEnd", Holds.TIME),
    _must("ChargePeriodStart", Holds.TIME),
    Column("CommitmentDiscountCategory", family=COMMITMENT, allowed=("Spend", "Usage")),
    Column("CommitmentDiscountId", family=COMMITMENT),
    Column("CommitmentDiscountName", family=COMMITMENT),
    Column("CommitmentDiscountQuantity", Holds.NUMBER, family=COMMITMENT),
    Column("CommitmentDiscountStatus", family=COMMITMENT, allowed=STATUS),
    Column("CommitmentDiscountType", family=COMMITMENT),
    Column("CommitmentDiscountUnit", family=COMMITMENT),
    Column("ConsumedQuantity", Holds.NUMBER, family=USAGE),
    Column("ConsumedUnit", family=USAGE),
    _must("ContractedCost", Holds.NUMBER),
    Column("ContractedUnitPrice", Holds.NUMBER),
    _must("EffectiveCost", Holds.NUMBER),
    Column("InvoiceId"),
    _must("InvoiceIssuerName"),
    _must("ListCost", Holds.NUMBER),
    Column("ListUnitPrice", Holds.NUMBER),
    Column("PricingCategory", allowed=("Standard", "Dynamic", "Committed", "Other")),
    Column("PricingCurrency", filled=True),
    Column("PricingCurrencyContractedUnitPrice", Holds.NUMBER),
    Column("PricingCurrencyEffectiveCost", Holds.NUMBER, filled=True),
    Column("PricingCurrencyListUnitPrice", Holds.NUMBER),
    Column("PricingQuantity", Holds.NUMBER, always=True),
    Column("PricingUnit", always=True),
    _must("ProviderName"),
    _must("PublisherName"),
    Column("RegionId", family=REGION),
    Column("RegionName", family=REGION),
    Column("ResourceId", family=RESOURCE),
    Column("ResourceName", family=RESOURCE),
    Column("ResourceType"),
    _must("ServiceCategory", allowed=tuple(SUBCATEGORIES)),
    _must("ServiceName"),
    Column("ServiceSubcategory", filled=True, allowed=tuple(CATEGORY_OF)),
    Column("SkuId", family=SKU),
    Column("SkuMeter", family=SKU),
    Column("SkuPriceDetails", Holds.JSON, family=SKU),
    Column("SkuPriceId", family=SKU),
    Column("SubAccountId", family=ACCOUNT),
    Column("SubAccountName", family=ACCOUNT),
    Column("SubAccountType"),
    Column("Tags", Holds.JSON),
)

PART_COLUMNS = {part: f"x_{part.title().replace('_', '')}Cost" for part in PARTS}
OURS, TOLD = "parts of the cost", "tokens and joules"
CUSTOM = (
    *(Column(name, Holds.NUMBER, filled=True, family=OURS) for name in PART_COLUMNS.values()),
    Column("x_MarginalCost", Holds.NUMBER, family=OURS),
    *(
        Column(name, Holds.NUMBER, family=TOLD)
        for name in ("x_InputTokens", "x_CachedTokens", "x_OutputTokens", "x_EnergyJoules")
    ),
)

KNOWN = {column.name: column for column in (*FOCUS, *CUSTOM)}
"""Every column whose rules are known, by name; other names that begin with ``x_`` hold what they like."""
