"""Reads: what the fleet cost, by whom and for what, what it will need, and whole reports in every form.

Spans are UTC seconds and are widened to whole hours. What lies ahead of the daemon's time is left out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from app.api.backend import Back, Backend
from app.api.errors import problems
from app.reports import build, views
from app.reports.books import Books
from app.reports.focus import focus_csv
from app.reports.page import page
from app.reports.spans import Kind, Span, around, last_over
from app.reports.tables import csv_of
from autoscaler.policy import Policy

router = APIRouter(tags=["cost"])

DAY_S = 86400.0
DEFAULT_SPAN_S = 30 * DAY_S
LONGEST_S = 400 * DAY_S
LATEST_S = 1e11
"""Later times (year 5138) are milliseconds."""

At = Annotated[float | None, Query(allow_inf_nan=False, ge=0, le=LATEST_S, description="UTC seconds.")]


def books_of(back: Back) -> Books:
    """The books; 404 where nothing is metered."""
    if back.books is None:
        raise HTTPException(404, "this daemon keeps no books; start it with leadtime daemon or leadtime up")
    return back.books


Booked = Annotated[Books, Depends(books_of)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A span that was asked for, and the service, None for all."""

    start_s: float
    end_s: float
    service: str | None


def asked(
    back: Back,
    start: At = None,
    end: At = None,
    service: Annotated[str | None, Query(description="A service; all if absent.")] = None,
) -> Asked:
    """The 30 days before now where nothing is said; 422 for a span that is none, 404 for an unknown service."""
    now_s = back.now_s()
    end_s = now_s if end is None else min(end, now_s)
    start_s = end_s - DEFAULT_SPAN_S if start is None else start
    checked(start_s, end_s)
    if service is not None and service not in back.memory.services:
        raise HTTPException(404, f"no service {service!r}; known: {', '.join(back.memory.services)}")
    return Asked(start_s, end_s, service)


def checked(start_s: float, end_s: float) -> None:
    """422 for a span that is none, or too long."""
    if not start_s < end_s:
        raise HTTPException(422, f"start {start_s:.0f} is not before end {end_s:.0f} or now; give an earlier start")
    if end_s - start_s > LONGEST_S:
        raise HTTPException(422, f"start {start_s:.0f} is more than 400 days before the end; give a later start")


Wanted = Annotated[Asked, Depends(asked)]


@router.get("/cost", responses=problems(404, 422))
async def cost(books: Booked, wanted: Wanted) -> views.CostView:
    """What a span cost: totals, parts, the four figures per million tokens, by service, pool and tenant."""
    made = await asyncio.to_thread(books.statement, wanted.start_s, wanted.end_s, wanted.service)
    return await asyncio.to_thread(build.cost_view, books, made, wanted.service)


@router.get("/cost/series", responses=problems(404, 422))
async def series(
    books: Booked,
    wanted: Wanted,
    max_points: Annotated[int, Query(ge=2, le=10_000, description="Most stretches.")] = 200,
) -> views.CostSeries:
    """The span in stretches of equal length; each tells its mean and its dearest hour, so that spikes survive."""
    made = await asyncio.to_thread(books.statement, wanted.start_s, wanted.end_s, wanted.service)
    return await asyncio.to_thread(build.series_view, books, made, max_points, wanted.service)


@router.get("/cost/budgets", responses=problems(404))
async def budgets(back: Back, books: Booked) -> list[views.BudgetView]:
    """Every budget of the fleet file: what the month has cost, where it is heading, whether an alert is due."""
    found = await asyncio.to_thread(books.standings, back.now_s())
    return [build.budget_view(one) for one in found]


@router.get("/cost/savings", responses=problems(404, 422))
async def savings(back: Back, books: Booked, wanted: Wanted) -> views.SavingsView:
    """Against a tuned proportional autoscaler and against the peak all the time, on the same traffic, simulated."""
    return await asyncio.to_thread(
        build.savings_view, books, policies(back), wanted.start_s, wanted.end_s, wanted.service
    )


@router.get("/cost/capacity", responses=problems(404, 422))
async def capacity(books: Booked, wanted: Wanted) -> list[views.CapacityLine]:
    """By GPU type: what was held, the coming 90 days, when the quota runs out, and what to commit to."""
    made = await asyncio.to_thread(books.statement, wanted.start_s, wanted.end_s)
    return await asyncio.to_thread(build.capacity_views, books, made)


@router.get("/cost/prices", responses=problems(404))
async def prices(
    books: Booked, gpu: Annotated[str | None, Query(description="A GPU type; all if absent.")] = None
) -> list[views.PriceView]:
    """The price book, newest rows first."""
    rows = [row for row in books.terms.book.rows if gpu is None or row.gpu == gpu]
    return [
        views.PriceView(
            provider=row.sku.provider,
            region=row.sku.region,
            sku=row.sku.sku,
            gpu=row.gpu,
            purchase=row.purchase.value,
            usd_per_gpu_hour=row.usd_per_gpu_hour,
            since=row.since.isoformat(),
            source=row.source,
        )
        for row in sorted(rows, key=lambda row: row.since, reverse=True)
    ]


def spanned(
    back: Back,
    kind: Annotated[Kind, Query(description="day, week or month; span for any two times.")] = "week",
    at: Annotated[
        float | None,
        Query(
            allow_inf_nan=False, ge=0, le=LATEST_S, description="A time within it; the last one that is over if absent."
        ),
    ] = None,
    start: At = None,
    end: At = None,
) -> Span:
    """The span of a report; 422 where there is none."""
    now_s = back.now_s()
    if kind == "span" or start is not None or end is not None:
        if start is None or end is None:
            raise HTTPException(422, "a span needs start and end; give both")
        checked(start, min(end, now_s))
        return Span("span", start, end)
    span = last_over(kind, now_s) if at is None else around(kind, at)
    checked(span.start_s, min(span.end_s, now_s))
    return span


Spanned = Annotated[Span, Depends(spanned)]


@router.get("/reports", responses=problems(404, 422))
async def report(back: Back, books: Booked, span: Spanned) -> views.Report:
    """Cost and capacity of a span, as every other form of the report shows it."""
    return await made_of(back, books, span)


POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The page has no script, no font and no link that loads."""

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}
"""A response class of its own would make errors pages too."""


@router.get("/reports/html", responses=problems(404, 422) | PAGE, response_model=None)
async def html(back: Back, books: Booked, span: Spanned) -> HTMLResponse:
    """The report as one page that needs nothing else."""
    made = await made_of(back, books, span)
    return HTMLResponse(page(made), headers={"Content-Security-Policy": POLICY})


@router.get("/reports/{form}.csv", responses=problems(404, 422), response_class=Response)
async def table(form: Literal["summary", "focus"], back: Back, books: Booked, span: Spanned) -> Response:
    """``summary``: one row per service and day; ``focus``: charges by hour in the columns of FOCUS."""
    if form == "focus":
        made = await asyncio.to_thread(books.charges, span.start_s, min(span.end_s, back.now_s()))
        text = await asyncio.to_thread(focus_csv, books, made)
    else:
        text = csv_of(await made_of(back, books, span))
    named = {"Content-Disposition": f'attachment; filename="leadtime-{form}-{span.start_s:.0f}.csv"'}
    return Response(text, media_type="text/csv", headers=named)


async def made_of(back: Backend, books: Books, span: Span) -> views.Report:
    """The report, made in a thread."""
    return await asyncio.to_thread(build.report, books, policies(back), span, back.now_s())


def policies(back: Backend) -> dict[str, Policy]:
    """The policies in force."""
    return {name: known.policy for name, known in back.memory.services.items()}
