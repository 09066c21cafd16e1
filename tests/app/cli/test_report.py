"""``leadtime report``: tables, files and one document, all with the numbers of the API."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.errors import UserError
from app.reports import build
from app.reports.books import Books
from app.reports.focus import focus_csv
from app.reports.spans import Span
from tests.app.reports.conftest import DAYS, POLICIES, START_S, books

__all__ = ["books"]

END_S = START_S + 86400.0 * DAYS


@pytest.fixture
def told(books: Books, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the API answers; ``asked`` in it is what it was asked."""
    made = build.report(books, POLICIES, Span("span", START_S, END_S), END_S).model_dump(mode="json")
    asked: dict[str, Any] = {}

    def request(method: str, api: str, path: str, params: dict[str, Any], timeout: float) -> Any:
        asked.update(params)
        return made

    monkeypatch.setattr("app.cli.report.request", request)
    text = focus_csv(books, books.charges(START_S, START_S + 7200))
    monkeypatch.setattr("app.cli.report.download", lambda api, path, params, timeout_s: text)
    return {"made": made, "asked": asked}


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def test_the_tables_are_printed(told: dict[str, Any]) -> None:
    text = run("month").stdout
    assert "fully loaded" in text
    assert f"${told['made']['cost']['total']['total_usd']:,.2f}" in text
    assert told["asked"] == {"kind": "month"}


def test_one_document_and_nothing_else(told: dict[str, Any]) -> None:
    assert json.loads(run("--json").stdout) == told["made"]


def test_files_have_the_same_numbers(told: dict[str, Any], tmp_path: Path) -> None:
    page, rows, focus = (tmp_path / name for name in ("r.html", "r.csv", "f.csv"))
    assert run("--html", str(page), "--csv", str(rows), "--focus", str(focus)).exit_code == 0
    total = told["made"]["cost"]["total"]["total_usd"]
    assert f"${total:,.2f}" in page.read_text()
    assert float(list(csv.DictReader(rows.open()))[-1]["total_usd"]) == pytest.approx(total)
    assert run("--check", str(focus)).exit_code == 0


def test_a_wrong_focus_file_ends_with_one(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n")
    done = run("--check", str(tmp_path / "bad.csv"))
    assert (done.exit_code, "no column BilledCost" in done.stdout) == (1, True)


def test_spans(told: dict[str, Any]) -> None:
    run("--from", "2026-11-01", "--to", "2026-11-02")
    assert told["asked"] == {"kind": "span", "start": START_S, "end": START_S + 86400}
    for words, said in (
        (("--from", "2026-11-01"), "--to is missing"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--at", "5"), "--at is for a day"),
    ):
        wrong = run(*words).exception
        assert isinstance(wrong, UserError) and said in str(wrong)


def test_without_a_browser_the_pdf_is_one_clear_line(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADTIME_CHROMIUM", "no-such-browser")
    wrong = run("--pdf", str(tmp_path / "r.pdf")).exception
    assert isinstance(wrong, UserError) and "no-such-browser: no such program" in str(wrong)


def test_an_api_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.report.request", lambda *args, **options: {"kind": "week"})
    wrong = run().exception
    assert isinstance(wrong, UserError) and "of another version" in str(wrong)
