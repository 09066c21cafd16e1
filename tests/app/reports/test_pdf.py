"""The page as PDF: by a real browser where there is one, and a clear line where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.reports.pdf import BROWSER_ENV, NoPdf, browser, command, pdf_of


def test_without_a_browser_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BROWSER_ENV, raising=False)
    with pytest.raises(NoPdf, match="install chromium or chrome, or set LEADTIME_CHROMIUM"):
        browser(str(tmp_path))
    monkeypatch.setenv(BROWSER_ENV, "no-such-browser")
    with pytest.raises(NoPdf, match="no-such-browser: no such program"):
        browser()


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_browser_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(NoPdf, match="ended with 3: no display"):
        pdf_of("<p>", script(tmp_path / "broken", "echo first >&2; echo no display >&2; exit 3"))
    with pytest.raises(NoPdf, match="printed nothing; try it by hand"):
        pdf_of("<p>", script(tmp_path / "silent", "exit 0"))
    with pytest.raises(NoPdf, match="cannot be run"):
        pdf_of("<p>", str(tmp_path))


def test_it_reads_one_local_file(tmp_path: Path) -> None:
    call = command("chromium", tmp_path / "a.html", tmp_path / "a.pdf", tmp_path)
    assert call[-1] == (tmp_path / "a.html").as_uri()


@pytest.mark.chromium
def test_a_real_browser_prints() -> None:
    try:
        program = browser()
    except NoPdf:
        pytest.skip("no Chromium here")
    assert pdf_of("<h1>Cost</h1>", program).startswith(b"%PDF-")
