"""The API about money: numbers of the books, spans that are checked, and every form of the report."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator

import httpx
import pytest

from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.parts import Daemon
from app.reports.books import Books
from app.reports.focus import problems
from tests.app.daemon.test_metering import metering
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import POOL, START_S, World


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API whose daemon has metered a minute."""
    daemon, costs = await metering(world)
    await ticks(daemon, 5)
    app = create_app(backend_of(daemon, Books(costs, daemon.history, {"chat": (POOL,)})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


def backend_of(daemon: Daemon, books: Books | None) -> Backend:
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    return Backend(daemon.memory, *stores, books=books)


async def get(api: httpx.AsyncClient, path: str, **params: object) -> httpx.Response:
    return await api.get(f"/api/v1{path}", params={name: str(value) for name, value in params.items()})


async def test_what_was_metered_is_what_it_cost(api: httpx.AsyncClient) -> None:
    told = (await get(api, "/cost")).json()
    assert told["total"]["total_usd"] == pytest.approx(60 / 3600 * 2.0, abs=1e-8)
    assert told["services"][0]["name"] == "chat"
    assert told["services"][0]["input_tokens"] == pytest.approx(120_000)
    assert told["gaps"][0].startswith("metered for")


async def test_the_series_sums_to_the_whole(api: httpx.AsyncClient) -> None:
    whole = (await get(api, "/cost")).json()["total"]["total_usd"]
    for most in (2, 40, 10_000):
        points = (await get(api, "/cost/series", max_points=most)).json()["points"]
        assert sum(point["usd"] for point in points) == pytest.approx(whole)


@pytest.mark.parametrize("path", ["/cost", "/cost/series", "/cost/savings", "/cost/capacity"])
async def test_spans_and_services_are_checked(api: httpx.AsyncClient, path: str) -> None:
    late = await get(api, path, start=START_S + 1e6)
    assert (late.status_code, "is not before" in late.json()["detail"]) == (422, True)
    long = await get(api, path, start=0)
    assert (long.status_code, "400 days" in long.json()["detail"]) == (422, True)
    assert (await get(api, path, service="none")).status_code == 404
    assert (await get(api, path, start="nan")).status_code == 422


async def test_without_books_nothing_is_told(world: World) -> None:
    app = create_app(backend_of(await world.start(), None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.get("/api/v1/cost")).status_code == 404


async def test_prices_are_dated_and_sourced(api: httpx.AsyncClient) -> None:
    rows = (await get(api, "/cost/prices", gpu="H100 SXM")).json()
    everything = (await get(api, "/cost/prices")).json()
    assert len(everything) > len(rows)
    assert all(row["since"] and row["source"] for row in everything)


async def test_empty_answers_are_empty(api: httpx.AsyncClient) -> None:
    assert (await get(api, "/cost/budgets")).json() == []
    told = (await get(api, "/cost/savings")).json()
    assert (told["savings"], told["missing"]) == ([], ["chat"])
    assert (await get(api, "/cost/capacity")).json() == []


async def test_the_report_has_the_numbers_of_the_api(api: httpx.AsyncClient) -> None:
    span = {"kind": "span", "start": START_S, "end": START_S + 3600}
    report = (await get(api, "/reports", **span)).json()
    cost = (await get(api, "/cost", start=START_S, end=START_S + 3600)).json()
    assert report["cost"] == cost


async def test_the_page_loads_nothing(api: httpx.AsyncClient) -> None:
    answer = await get(api, "/reports/html", kind="day", at=START_S)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")


async def test_tables_as_csv(api: httpx.AsyncClient) -> None:
    answer = await get(api, "/reports/summary.csv", kind="day", at=START_S)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["service"] for row in rows] == ["chat", "total"]
    focus = await get(api, "/reports/focus.csv", kind="day", at=START_S)
    assert problems(focus.text) == []
    assert (await get(api, "/reports/secrets.csv")).status_code == 422


async def test_a_span_needs_both_ends(api: httpx.AsyncClient) -> None:
    assert (await get(api, "/reports", kind="span", start=START_S)).status_code == 422
    assert (await get(api, "/reports", kind="month", at=START_S + 1e7)).status_code == 422
