"""``leadtime report``: what a day, a week, a month or any span cost, and what the coming months will need.

Numbers are the API's. Without a file to write it prints the tables; ``--json`` prints the whole document.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.client import API, API_HELP, download, request
from app.cli.explain import moment
from app.errors import UserError

if TYPE_CHECKING:
    from app.reports.tables import Table
    from app.reports.views import Report

HELP = "Cost and capacity of a day, a week, a month or any span: tables, HTML, PDF, CSV, FOCUS-aligned."
WAIT_S = 120.0
"""Savings of a month are played service by service; the first answer takes a while."""


class Kind(StrEnum):
    """What a report is about."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def report(
    kind: Annotated[Kind, typer.Argument(help="day, week or month; the last one that is over.")] = Kind.WEEK,
    at: Annotated[str | None, typer.Option(help="A time within it (ISO 8601 or UTC seconds).")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Start of any other span; with --to.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of it.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page that needs nothing else.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write it as PDF; needs a Chromium or Chrome.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per service.")] = None,
    focus: Annotated[Path | None, typer.Option(help="Write charges by hour in the columns of FOCUS 1.2.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check a FOCUS file instead, and print what is wrong.")] = None,
    api: Annotated[str, typer.Option(help=API_HELP)] = API,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Make the report."""
    if check is not None:
        return checked(check)
    params = span(kind, at, begin, end)
    told = request("GET", api, "/reports", params=params, timeout=WAIT_S)
    made = parsed(told)
    written = [*files(made, html, pdf, csv), *focus_file(api, params, focus)]
    if json:
        return output.json_out(told)
    if written:
        for path in written:
            output.err().print(f"wrote {path}", markup=False)
        return
    show(made)


def span(kind: Kind, at: str | None, begin: str | None, end: str | None) -> dict[str, Any]:
    """What to ask for; raises ``UserError`` where the options are at odds."""
    if begin is None and end is None:
        return {"kind": kind.value} | ({} if at is None else {"at": moment(at)})
    if begin is None or end is None:
        raise UserError(f"{'--from' if begin is None else '--to'} is missing; give both, or neither")
    if at is not None:
        raise UserError("--at is for a day, a week or a month; give it alone, or --from with --to")
    return {"kind": "span", "start": moment(begin), "end": moment(end)}


def parsed(told: Any) -> Report:
    """The document as values."""
    from pydantic import ValidationError

    from app.reports.views import Report

    try:
        return Report.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"the API's report is of another version ({where}: {first['msg']}); use one version") from None


def files(made: Report, html: Path | None, pdf: Path | None, csv: Path | None) -> Iterator[Path]:
    """Write what was asked for; gives the paths."""
    from app.reports.page import page
    from app.reports.pdf import NoPdf, pdf_of
    from app.reports.tables import csv_of

    text = page(made) if html or pdf else ""
    if html is not None:
        yield write(html, text.encode())
    if pdf is not None:
        try:
            yield write(pdf, pdf_of(text))
        except NoPdf as error:
            raise UserError(f"--pdf {pdf}: {error}") from None
    if csv is not None:
        yield write(csv, csv_of(made).encode())


def focus_file(api: str, params: dict[str, Any], path: Path | None) -> Iterator[Path]:
    """Write the charges; gives the path."""
    if path is not None:
        yield write(path, download(api, "/reports/focus.csv", params, WAIT_S).encode())


def write(path: Path, content: bytes) -> Path:
    """A file; raises ``UserError`` where it cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give a path that can be written") from None
    return path


def checked(path: Path) -> None:
    """Print what is wrong with a FOCUS file; ends with 1 where something is."""
    from app.reports.focus import VERSION, problems

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error}); give a CSV file") from None
    found = problems(text)
    for line in found:
        output.out().print(line, markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(1)
    output.out().print(f"{path}: in the columns of FOCUS {VERSION}, and its parts sum", markup=False)


def show(made: Report) -> None:
    """Print the tables."""
    from app.reports.page import headline

    console = output.out()
    console.print(f"{made.title}: {headline(made)}", style="bold", markup=False)
    for gap in made.cost.gaps:
        console.print(f"  not known: {gap}", markup=False)
    for one in shown(made):
        if one.rows:
            columns = ("name", *one.columns[1:])
            console.print(output.table(one.title, columns, one.rows, numbers=len(columns) - 1))


def shown(made: Report) -> Iterator[Table]:
    """What fits a terminal."""
    from app.reports import tables

    yield tables.figures([*made.cost.services, made.cost.total])
    yield tables.tenants(made.cost.tenants)
    yield tables.budgets(made.budgets)
    yield tables.savings(made.savings.savings)
    yield tables.capacities(made.capacity)
    yield tables.purchases(made.capacity)
