"""Dated prices: the newest that holds, files that load, and one clear line for those that do not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from autoscaler.cost.book import PriceBook, PriceError, PriceRow, Purchase, Sku, day, read_csv, shipped_book

SKU = Sku("aws", "us-east-1", "p5.48xlarge")
HEAD = "provider,region,sku,gpu,purchase,usd_per_gpu_hour,from,source\n"


def price(usd: float, since: date) -> PriceRow:
    return PriceRow(SKU, "H100", Purchase.ON_DEMAND, usd, since, "a list")


def at(day_of_january: int) -> float:
    return price(0, date(2026, 1, day_of_january)).from_s


def test_a_price_holds_until_the_next() -> None:
    book = PriceBook((price(5.0, date(2026, 1, 20)), price(7.0, date(2026, 1, 10))))
    found = [book.at(SKU, Purchase.ON_DEMAND, at(d)) for d in (9, 10, 19, 20)]
    assert [one and one.usd_per_gpu_hour for one in found] == [None, 7.0, 7.0, 5.0]
    assert book.at(SKU, Purchase.SPOT, at(20)) is None


def test_own_rows_win_over_shipped_ones_of_the_same_day() -> None:
    book = PriceBook((price(5.0, date(2026, 1, 1)),)).with_rows([price(4.0, date(2026, 1, 1))])
    assert book.at(SKU, Purchase.ON_DEMAND, at(2)) == price(4.0, date(2026, 1, 1))


def test_the_shipped_book_is_dated_and_sourced() -> None:
    rows = shipped_book().rows
    assert len(rows) > 37
    assert all(row.source and row.usd_per_gpu_hour > 0 for row in rows)
    assert {row.purchase for row in rows} == set(Purchase)


def test_a_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"{HEAD}aws,us-east-1,p5.48xlarge,H100,spot,3.3,2026-11-01,a quote\n")
    assert read_csv(path) == (PriceRow(SKU, "H100", Purchase.SPOT, 3.3, date(2026, 11, 1), "a quote"),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("aws,,x,H100,weekly,3,2026-11-01,q", "line 2: purchase 'weekly' is unknown; give on-demand, spot, reserved"),
        ("aws,,x,H100,spot,-3,2026-11-01,q", "usd_per_gpu_hour '-3' is no price"),
        ("aws,,x,H100,spot,nan,2026-11-01,q", "usd_per_gpu_hour 'nan' is no price"),
        ("aws,,x,H100,spot,3,soon,q", "date 'soon' is none; give YYYY-MM-DD"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"{HEAD}{line}\n")
    with pytest.raises(PriceError, match=said):
        read_csv(path)


def test_a_missing_column_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("provider,sku\n")
    with pytest.raises(PriceError, match="no column 'region'"):
        read_csv(tmp_path / "bare.csv")
    with pytest.raises(PriceError, match=r"none\.csv: No such file"):
        read_csv(tmp_path / "none.csv")


def test_a_month_is_its_first_day() -> None:
    assert day("2026-11") == date(2026, 11, 1)
