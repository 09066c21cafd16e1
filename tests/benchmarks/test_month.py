"""A small month: its cost is right to the cent by two ways, and the report says what the API says."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from app.api.main import create_app
from app.reports.books import Books
from app.reports.focus import problems
from app.reports.wiring import books_for
from autoscaler.cost.store import CostStore
from benchmarks.month import START_S, Month, backend, month, told, write
from collectors.history import History
from collectors.store import open_store


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Month, Books]:
    """Four services over sixteen days, in which a price changes."""
    made = month(tmp_path_factory.mktemp("month"), 4, 16, 3)
    engine = open_store(made.settings.store.url)
    write(made, engine, False)
    return made, books_for(made.settings, CostStore(engine), History(engine))


def test_the_cost_reconciles_to_the_cent_with_gpu_hours_times_price(small: tuple[Month, Books]) -> None:
    ours, again = told(*small)
    assert ours == again
    assert float(ours) > 1000


async def test_the_report_has_the_numbers_of_the_api(small: tuple[Month, Books]) -> None:
    made, books = small
    app = create_app(replace(backend(made, open_store(made.settings.store.url)), books=books))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api/api/v1") as client:
        span = {"start": START_S, "end": made.end_s}
        report = (await client.get("/reports", params={"kind": "span", **span})).json()
        for part in ("cost", "cost/budgets", "cost/savings", "cost/capacity"):
            asked = {} if part == "cost/budgets" else span
            alone = (await client.get(f"/{part}", params=asked)).json()
            name = part.removeprefix("cost/")
            # A report of days that are over stands at their end, budgets of now at now: the same second less one.
            if name != "budgets":
                assert report[name] == alone
        page = (await client.get("/reports/html", params={"kind": "span", **span})).text
        focus = (await client.get("/reports/focus.csv", params={"kind": "span", **span})).text
    total = report["cost"]["total"]["total_usd"]
    assert f"${total:,.2f}" in page
    assert problems(focus) == []
    assert sum(service["total_usd"] for service in report["cost"]["services"]) == pytest.approx(total, abs=1e-6)


def test_a_static_fleet_at_the_peak_would_have_cost_more(small: tuple[Month, Books]) -> None:
    made, books = small
    one = made.settings.services[0]
    against = {s.against: s for s in books.savings(one.name, one.policy, START_S, made.end_s)}
    assert against["static-peak"].saved_usd > 0
    assert against["static-peak"].low_usd < against["static-peak"].saved_usd < against["static-peak"].high_usd
