"""The export: what each sort of row says, that it passes its own check, and that its money is the account's exactly."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.books import Books
from app.reports.focus import focus_csv, problems
from app.reports.focus.export import NAMES, rows
from autoscaler.cost.account import Terms
from tests.app.reports.conftest import DAYS, START_S
from tests.app.reports.focus.cases import ROWS, TERMS, books_of, charges, exported, table
from tests.app.reports.focus.test_pieces import terms
from tests.autoscaler.cost.cases import Row, one
from tests.autoscaler.cost.cases import rows as metered

BOOKS = books_of(TERMS)


def summed(found: list[dict[str, str]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in found), Decimal(0))


def of(**wanted: str) -> list[dict[str, str]]:
    """The rows of the file that have these values."""
    return [row for row in table(exported()) if wanted.items() <= row.items()]


def test_costs_sum_to_the_account_to_the_nano_dollar(books: Books) -> None:
    made = books.charges(START_S, START_S + 86400 * DAYS)
    found = table(focus_csv(books, made))
    assert summed(found, "EffectiveCost") == Decimal(made.lines.total_nano).scaleb(-9)
    assert summed(found, "BilledCost") == summed(found, "EffectiveCost")


def test_tokens_and_joules_sum_to_the_statement(books: Books) -> None:
    made = books.charges(START_S, START_S + 86400 * DAYS)
    found = table(focus_csv(books, made))
    total = books.total(books.statement(made.start_s, made.end_s))
    for name, value in (("x_InputTokens", total.tokens.input), ("x_EnergyJoules", total.energy.joules)):
        assert float(sum(Decimal(row[name] or 0) for row in found)) == pytest.approx(value)


@given(terms, metered, st.text(st.characters(exclude_categories=["C"]), min_size=1).map(lambda name: f"s{name}"))
def test_whatever_is_exported_passes_the_check(drawn: Terms, held: list[Row], name: str) -> None:
    named = [(row[0], name if row[1] == "chat" else row[1], *row[2:]) for row in held]
    text = focus_csv(replace(BOOKS, terms=drawn), charges(drawn, named))
    assert problems(text) == []
    assert summed(table(text), "EffectiveCost") == Decimal(charges(drawn, named).lines.total_nano).scaleb(-9)


def test_a_file_of_days_passes_the_check(books: Books) -> None:
    assert problems(focus_csv(books, books.charges(START_S, START_S + 86400 * DAYS))) == []


def test_what_a_commitment_covers_is_used_at_its_rate_and_not_billed() -> None:
    row = of(CommitmentDiscountStatus="Used", SubAccountId="code")[0]
    assert (row["PricingCategory"], row["BilledCost"], row["EffectiveCost"]) == ("Committed", "0", "1.333333333")
    assert (row["ListUnitPrice"], row["ListCost"], row["CommitmentDiscountUnit"]) == ("3", "2", "GPU-Hours")
    assert row["ConsumedQuantity"] == row["CommitmentDiscountQuantity"] == "0.666666666667"
    assert row["ChargeDescription"] == "h100 for code, covered by commitment year"


def test_what_it_does_not_cover_is_a_row_of_its_own() -> None:
    row = of(PricingCategory="Standard", SubAccountId="code", ResourceId="h100")[0]
    assert (row["PricingQuantity"], row["EffectiveCost"]) == ("1.333333333333", "4")
    assert (row["CommitmentDiscountId"], row["SkuPriceId"]) == ("", "p5.48xlarge/us-east-1/on-demand")


def test_what_is_left_unused_is_nothing_consumed() -> None:
    row = of(CommitmentDiscountStatus="Unused")[0]
    assert (row["CommitmentDiscountQuantity"], row["EffectiveCost"], row["BilledCost"]) == ("1", "2", "0")
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("", "")
    assert row["ResourceId"] == row["CommitmentDiscountId"] == "year"


def test_each_hour_of_a_commitment_is_bought_and_belongs_to_no_service() -> None:
    bought = of(ChargeCategory="Purchase")
    told = [(row["BilledCost"], row["EffectiveCost"], row["ChargeFrequency"]) for row in bought]
    assert told == [("4", "0", "Recurring")] * 2
    assert {(row["SubAccountId"], row["CommitmentDiscountStatus"]) for row in bought} == {("", "")}


def test_spot_is_dynamic_and_a_reserved_price_without_a_commitment_is_agreed_on() -> None:
    told = {row["ResourceId"]: row["PricingCategory"] for row in of(SubAccountId="code", ChargeCategory="Usage")}
    assert {name: told[name] for name in ("spot", "held", "own")} == {
        "spot": "Dynamic",
        "held": "Standard",
        "own": "Standard",
    }


def test_the_platform_is_another_service_by_the_hour() -> None:
    found = of(ServiceName="Serving platform")
    assert summed(found, "PricingQuantity").quantize(Decimal("1e-9")) == 6
    assert {(row["SkuId"], row["PricingUnit"], row["ListUnitPrice"]) for row in found} == {("platform", "Hours", "1.5")}


def test_a_pool_that_nothing_is_known_of_is_its_own_sku() -> None:
    row = of(ResourceId="own")[0]
    assert (row["SkuId"], row["SkuPriceId"], row["RegionId"]) == ("own", "own/own/on-demand", "")


def test_a_rack_tells_its_gpu() -> None:
    found = table(focus_csv(BOOKS, charges(TERMS, [one(0, "chat", 1.0, pool="rack")])))
    assert found[0]["SkuPriceDetails"] == '{"GpuCount": 1, "x_GpuType": "L4"}'


def test_names_from_outside_are_guarded(books: Books) -> None:
    found = table(focus_csv(books, books.charges(START_S, START_S + 86400)))
    assert {row["SubAccountId"] for row in found} == {"chat", "'=code", ""}


def test_every_column_is_told_of_by_some_row() -> None:
    """But for those that a fleet has nothing for, and that 1.2 wants all the same or that may come."""
    told = {name for row in rows(BOOKS, charges(TERMS, ROWS)) for name, value in row.items() if value is not None}
    never = {"BillingAccountName", "ChargeClass", "InvoiceId", "ResourceName", "Tags", "x_EnergyJoules"}
    assert told == set(NAMES) - never
