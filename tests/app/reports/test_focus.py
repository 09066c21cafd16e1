"""The FOCUS-aligned export: passes its own check, sums to the cost, and the check finds what is wrong."""

from __future__ import annotations

import csv
import io

import pytest

from app.reports.books import Books
from app.reports.focus import NAMES, focus_csv, problems, rows
from tests.app.reports.conftest import DAYS, START_S


@pytest.fixture(scope="module")
def text(books: Books) -> str:
    return focus_csv(books, books.charges(START_S, START_S + 86400 * DAYS))


def test_it_passes_its_own_check(text: str) -> None:
    assert problems(text) == []


def test_costs_and_tokens_sum_to_the_statement(books: Books) -> None:
    made = books.charges(START_S, START_S + 86400 * DAYS)
    found = list(rows(books, made))
    assert sum(float(row["EffectiveCost"] or 0) for row in found) == pytest.approx(made.lines.total_nano / 1e9)
    total = books.total(books.statement(made.start_s, made.end_s))
    assert sum(float(row.get("x_InputTokens") or 0) for row in found) == pytest.approx(total.tokens.input)
    assert sum(float(row.get("x_EnergyJoules") or 0) for row in found) == pytest.approx(total.energy.joules)


def test_an_unused_commitment_is_named(books: Books) -> None:
    found = [row for row in rows(books, books.charges(START_S, START_S + 3600)) if row["CommitmentDiscountId"]]
    assert [(row["CommitmentDiscountStatus"], row["PricingCategory"]) for row in found] == [("Unused", "Committed")]


def test_names_from_outside_are_guarded(text: str) -> None:
    services = {row["SubAccountId"] for row in csv.DictReader(io.StringIO(text))}
    assert services == {"chat", "'=code", "_fleet"}


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("BilledCost", "", "BilledCost is empty"),
        ("BilledCost", "much", "BilledCost 'much' is no number"),
        ("ChargeCategory", "Gift", "ChargeCategory 'Gift' is none of Usage, Purchase"),
        ("ChargePeriodStart", "yesterday", "ChargePeriodStart 'yesterday' is no time"),
        ("ChargePeriodEnd", "2020-01-01T00:00:00Z", "ChargePeriodStart is not before ChargePeriodEnd"),
        ("x_ActiveCost", "99", "and not to EffectiveCost"),
        ("PricingUnit", "", "one of PricingQuantity and PricingUnit is without the other"),
    ],
)
def test_the_check_finds_what_is_wrong(text: str, column: str, value: str, said: str) -> None:
    found = list(csv.DictReader(io.StringIO(text)))
    found[0][column] = value
    out = io.StringIO()
    writer = csv.DictWriter(out, NAMES)
    writer.writeheader()
    writer.writerows(found)
    assert any(said in line for line in problems(out.getvalue()))


def test_columns_are_checked_first(text: str) -> None:
    assert problems(text.replace("RegionId", "region", 1))[0] == "no column RegionId"
    assert any("does not begin with x_" in line for line in problems(text.replace("RegionId", "region", 1)))
    assert problems("")[0] == "no column BilledCost"
