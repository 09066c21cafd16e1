"""The columns of FOCUS 1.2: so many, so many of them in every file, and every list with values of its own."""

from __future__ import annotations

from app.reports.focus.columns import CUSTOM, FOCUS, KNOWN
from app.reports.focus.values import CATEGORY_OF, CURRENCIES, SUBCATEGORIES


def test_there_are_57_columns_and_21_are_in_every_file() -> None:
    assert (len(FOCUS), sum(column.always for column in FOCUS)) == (57, 21)
    assert len(KNOWN) == len(FOCUS) + len(CUSTOM)


def test_ours_are_named_as_ours() -> None:
    assert all(column.name.startswith("x_") for column in CUSTOM)
    assert not any(column.name.startswith("x_") for column in FOCUS)


def test_every_category_has_another() -> None:
    assert {f"Other ({category})" for category in SUBCATEGORIES} <= set(CATEGORY_OF)
    assert len(CATEGORY_OF) == sum(len(names) + 1 for names in SUBCATEGORIES.values())


def test_currencies_are_three_capitals() -> None:
    assert "USD" in CURRENCIES and all(len(name) == 3 and name.isupper() for name in CURRENCIES)
