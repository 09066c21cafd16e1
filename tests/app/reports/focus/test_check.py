"""The check of a file: one line for each thing that is wrong, with line, column, value and what would be right."""

from __future__ import annotations

import pytest

from app.reports.focus import problems
from tests.app.reports.focus.cases import exported, table, written

TEXT = exported()


def changed(at: int, **values: str) -> list[str]:
    """What is wrong once some cells of a row are others."""
    found = table(TEXT)
    found[at] |= values
    return problems(written(found))


def first(**wanted: str) -> int:
    return next(at for at, row in enumerate(table(TEXT)) if wanted.items() <= row.items())


OWN = first(PricingCategory="Standard", SkuMeter="GPU time")
BOUGHT = first(ChargeCategory="Purchase")


def test_a_file_that_is_right_has_no_problems() -> None:
    assert problems(TEXT) == problems(f"\ufeff{TEXT}") == [], "with a mark of the byte order too"


@pytest.mark.parametrize(
    ("column", "value", "right"),
    [
        ("BilledCost", "", "is empty: give a number such as -12.5 or 1.25E-7"),
        ("BilledCost", "much", "'much': give a number"),
        ("EffectiveCost", "1e5", "'1e5': give a number"),
        ("BillingCurrency", "USX", "'USX': give a currency of ISO 4217 such as USD"),
        ("ChargeCategory", "Gift", "'Gift': give Usage or Purchase or Tax or Credit or Adjustment"),
        ("ChargePeriodStart", "1970-01-01 00:00", "'1970-01-01 00:00': give a time in UTC such as"),
        ("ChargePeriodStart", "1970-13-01T00:00:00Z", "'1970-13-01T00:00:00Z': give a time in UTC such as"),
        ("ServiceCategory", "Magic", "'Magic': give one of those that FOCUS lists"),
        ("PublisherName", "N/A", "'N/A': give a text"),
        ("Tags", "team=a", "'team=a': give a JSON object"),
        ("Tags", '["a"]', """'["a"]': give a JSON object"""),
        ("Tags", '{"a": 1, "a": 2}', "give a JSON object"),
        ("Tags", '{"a": {"b": 1}}', "give a JSON object"),
        ("Tags", '{"a": NaN}', "give a JSON object"),
        ("SkuPriceDetails", "8 GPUs", "'8 GPUs': give a JSON object"),
        ("SkuPriceDetails", '{"GpuCount": "1"}', "give a number for GpuCount"),
        ("SkuPriceDetails", '{"InstanceType": 1}', "give a text for InstanceType"),
        ("SkuPriceDetails", '{"Colour": 1}', "begin Colour with x_"),
        ("x_ActiveCost", "", "is empty: give a number"),
        ("x_OutputTokens", "many", "'many': give a number"),
    ],
)
def test_a_cell_that_cannot_be_read_is_found(column: str, value: str, right: str) -> None:
    found = changed(OWN, **{column: value})
    assert any(line.startswith(f"line {OWN + 2}, {column} ") and right in line for line in found), found


def test_a_rule_of_a_row_is_said_with_line_column_and_value() -> None:
    assert changed(BOUGHT, ChargeFrequency="Usage-Based") == [
        f"line {BOUGHT + 2}, ChargeFrequency 'Usage-Based': give One-Time or Recurring for a Purchase"
    ]


def test_other_x_columns_hold_what_they_like() -> None:
    assert problems(written([row | {"x_Team": "N/A"} for row in table(TEXT)])) == []


def test_columns_are_checked_first() -> None:
    assert problems("")[0] == "no column BilledCost; every file has one"
    renamed = problems(TEXT.replace("RegionId", "region", 1))
    assert renamed == [
        "no column RegionId; give it beside RegionName, as both are about regions",
        "column region is none of FOCUS's; begin its name with x_",
    ]
    assert problems(TEXT.replace("Tags", "InvoiceId", 1)) == ["column InvoiceId is there 2 times; give it once"]


def test_columns_of_a_provider_that_has_none_of_it_may_be_missing() -> None:
    kept = [
        {name: value for name, value in row.items() if not name.startswith(("Region", "SubAccount"))}
        for row in table(TEXT)
    ]
    assert problems(written(kept)) == []


def test_a_short_row_is_found() -> None:
    lines = TEXT.splitlines()
    assert problems("\n".join([*lines[:2], "1,2", *lines[2:]])) == [
        f"line 3 has 2 cells; give {len(lines[0].split(','))}, as the first line does"
    ]


def test_what_is_no_csv_is_said() -> None:
    assert "cannot be read" in problems(TEXT + "x" * 200_000)[0]


def test_a_service_has_one_category_and_a_price_one_sku() -> None:
    category = {"ServiceCategory": "Compute", "ServiceSubcategory": "Containers"}
    assert f"line {OWN + 2}, ServiceCategory 'Compute': give 'AI and Machine Learning'" in changed(OWN, **category)[0]
    last = max(at for at, row in enumerate(table(TEXT)) if row["SkuPriceId"] == table(TEXT)[OWN]["SkuPriceId"])
    assert "as SkuPriceId" in changed(last, SkuId="other")[0]


def test_a_commitment_has_one_unit() -> None:
    found = changed(BOUGHT, CommitmentDiscountUnit="Hours")
    assert len(found) == 1 and "CommitmentDiscountUnit 'Hours': give 'GPU-Hours'" in found[0]


def test_purchases_pay_for_what_is_covered() -> None:
    found = changed(BOUGHT, BilledCost="5")
    assert found == [
        f"line {BOUGHT + 2}, BilledCost: the purchases of commitment 'year' sum to 9; "
        "give 8, the EffectiveCost of its usage"
    ]


def test_what_is_bought_once_is_paid_outside_of_the_file() -> None:
    assert changed(BOUGHT, BilledCost="5", ChargeFrequency="One-Time") == []


def test_at_most_so_many_lines_are_said() -> None:
    found = [row | {"BilledCost": "much"} for row in table(TEXT)]
    assert len(problems(written(found), most=3)) == 3
