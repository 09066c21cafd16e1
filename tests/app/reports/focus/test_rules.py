"""Each rule of a row, broken once, is found; and rows that are right break none."""

from __future__ import annotations

import pytest

from app.reports.focus.rules import RULES, Cells, near, number
from tests.app.reports.focus.cases import exported, table

FOUND = table(exported())
OWN = next(row for row in FOUND if row["PricingCategory"] == "Standard" and row["SkuMeter"] == "GPU time")
USED = next(row for row in FOUND if row["CommitmentDiscountStatus"] == "Used")
UNUSED = next(row for row in FOUND if row["CommitmentDiscountStatus"] == "Unused")
BOUGHT = next(row for row in FOUND if row["ChargeCategory"] == "Purchase")
CREDIT = OWN | {"ChargeCategory": "Credit", "ContractedUnitPrice": "", "ListUnitPrice": ""}

PRICED = ("ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity", "SkuId", "SkuPriceId")
IN_CURRENCY = ("PricingCurrencyContractedUnitPrice", "PricingCurrencyListUnitPrice")
ALONG = (
    ("BillingAccountType", "BillingAccountId"),
    ("CommitmentDiscountCategory", "CommitmentDiscountId"),
    ("CommitmentDiscountType", "CommitmentDiscountId"),
    ("CommitmentDiscountUnit", "CommitmentDiscountQuantity"),
    ("ConsumedUnit", "ConsumedQuantity"),
    ("PricingUnit", "PricingQuantity"),
    ("RegionName", "RegionId"),
    ("ResourceType", "ResourceId"),
    ("SubAccountName", "SubAccountId"),
    ("SubAccountType", "SubAccountId"),
)
ONLY = (
    ("CapacityReservationStatus", "CapacityReservationId"),
    ("CommitmentDiscountName", "CommitmentDiscountId"),
    ("CommitmentDiscountStatus", "CommitmentDiscountId"),
    ("ResourceName", "ResourceId"),
    ("SkuMeter", "SkuId"),
    ("SkuPriceDetails", "SkuPriceId"),
)
Case = tuple[dict[str, str], dict[str, str], str, str]
CASES: list[Case] = [
    *(
        (OWN, {"ChargeCategory": "Tax", name: "1"}, name, "where ChargeCategory is Tax")
        for name in PRICED + IN_CURRENCY
    ),
    *((OWN, {name: ""}, name, "that is no correction") for name in PRICED + IN_CURRENCY),
    *((OWN, {column: "x", other: ""}, column, f"leave it empty where {other} is") for column, other in ALONG + ONLY),
    *((OWN, {column: "", other: "x"}, column, f"where {other} has one") for column, other in ALONG),
    (USED, {"CommitmentDiscountStatus": ""}, "CommitmentDiscountStatus", "for Usage that a commitment covers"),
    (OWN, {"CapacityReservationId": "x"}, "CapacityReservationStatus", "for Usage of a capacity reservation"),
    (OWN, {"CommitmentDiscountQuantity": "1"}, "CommitmentDiscountQuantity", "but for Usage and Purchase"),
    (USED, {"CommitmentDiscountQuantity": ""}, "CommitmentDiscountQuantity", "for what a commitment covers"),
    (UNUSED, {"ConsumedQuantity": "1"}, "ConsumedQuantity", "but for Usage that is not Unused"),
    (OWN, {"ConsumedQuantity": ""}, "ConsumedQuantity", "give one for Usage"),
    *((OWN, {name: "-1"}, name, "give zero or more") for name in (*PRICED[:2], *IN_CURRENCY)),
    (OWN, {"ContractedCost": "99"}, "ContractedCost", "ContractedUnitPrice times PricingQuantity"),
    (OWN, {"ListCost": "99"}, "ListCost", "ListUnitPrice times PricingQuantity"),
    *((CREDIT, {name: "99"}, name, "give the BilledCost") for name in ("ContractedCost", "ListCost", "EffectiveCost")),
    (BOUGHT, {"EffectiveCost": "4"}, "EffectiveCost", "give 0 for the purchase"),
    (BOUGHT, {"PricingCurrencyEffectiveCost": "4"}, "PricingCurrencyEffectiveCost", "give 0 for the purchase"),
    (USED, {"BilledCost": "4"}, "BilledCost", "give 0 for what a commitment pays for"),
    (OWN, {"InvoiceIssuerName": "a shop"}, "BilledCost", "give 0 where InvoiceIssuerName is not ProviderName"),
    (BOUGHT, {"ChargeFrequency": "Usage-Based"}, "ChargeFrequency", "One-Time or Recurring"),
    (OWN, {"ServiceSubcategory": "Caching"}, "ServiceSubcategory", "belongs to the ServiceCategory"),
    (USED, {"PricingCategory": "Standard"}, "PricingCategory", "give Committed for"),
    (OWN, {"PricingCategory": "Committed"}, "PricingCategory", "give Committed only for"),
    (BOUGHT, {"PricingCategory": "Committed"}, "PricingCategory", "give Committed only for"),
    (UNUSED, {"ChargeCategory": "Credit"}, "ChargeCategory", "give Usage for the unused part"),
    (UNUSED, {"ResourceId": "pool"}, "ResourceId", "give the CommitmentDiscountId"),
    (USED, {"ResourceId": ""}, "ResourceId", "for what got the discount"),
    (OWN, {"BillingPeriodEnd": "1970-01-01T00:00:00Z"}, "BillingPeriodStart", "a time before BillingPeriodEnd"),
    (OWN, {"ChargePeriodEnd": "1970-01-01T00:00:00Z"}, "ChargePeriodStart", "a time before ChargePeriodEnd"),
    (OWN, {"x_StandbyCost": "99"}, "x_ActiveCost", "give parts that sum to EffectiveCost"),
    (OWN, {"x_MarginalCost": "99"}, "x_MarginalCost", "give x_ActiveCost or less"),
    (OWN, {"x_InputTokens": "1", "x_CachedTokens": "2"}, "x_CachedTokens", "give x_InputTokens or less"),
    *((OWN, {f"x_{name}": "-1"}, f"x_{name}", "zero or more") for name in ("InputTokens", "CachedTokens")),
    *((OWN, {f"x_{name}": "-1"}, f"x_{name}", "zero or more") for name in ("OutputTokens", "EnergyJoules")),
]


def broken(row: dict[str, str]) -> set[tuple[str, str]]:
    return {(rule.column, rule.right) for rule in RULES if rule.broken(Cells(row))}


@pytest.mark.parametrize(("row", "change", "column", "right"), CASES)
def test_a_rule_that_is_broken_is_found(row: dict[str, str], change: dict[str, str], column: str, right: str) -> None:
    said = [told for name, told in broken(row | change) if name == column]
    assert any(right in one for one in said), said


def test_every_rule_has_a_case_above() -> None:
    found = set().union(*(broken(row | change) for row, change, _, _ in CASES))
    assert found == {(rule.column, rule.right) for rule in RULES}


@pytest.mark.parametrize("row", [OWN, USED, UNUSED, BOUGHT])
def test_a_row_that_is_right_breaks_none(row: dict[str, str]) -> None:
    told = {name for name, _ in broken(row)}
    assert told <= {"BillingAccountType", "SubAccountType", *IN_CURRENCY}, "columns that the export has not"


def test_a_correction_may_be_at_odds() -> None:
    odd = OWN | {"ChargeClass": "Correction", "ListCost": "99", "ConsumedQuantity": "", "ConsumedUnit": ""}
    assert "ListCost" not in {name for name, _ in broken(odd)}


@pytest.mark.parametrize("text", ["", "much", "+1", "1,5", "1/2", "$1", "NaN", "1e5", "1E+5", "1 ", "--1", "١"])
def test_what_is_no_number_in_focus_is_none(text: str) -> None:
    assert number({"a": text}, "a") is None


@pytest.mark.parametrize("text", ["0", "-1.5", "12.", ".5", "35.2E-7", "1E5"])
def test_numbers_are_read(text: str) -> None:
    one = number({"a": text}, "a")
    assert one is not None and near(one, one)
