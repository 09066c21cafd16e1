"""A page as PDF, printed by a Chromium without a window: the same page, the same pictures, no second layout.

The browser reads one local file and nothing else: scripts are off for want of any, and the page has no links that
load. A missing browser is one clear line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

BROWSER_ENV = "LEADTIME_CHROMIUM"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PRINT_S = 180.0


class NoPdf(Exception):
    """No PDF could be made; one line that says why and what to do."""


def browser(path: str | None = None) -> str:
    """The browser to print with: that of ``LEADTIME_CHROMIUM``, else the first of ``BROWSERS`` in ``path``."""
    named = os.environ.get(BROWSER_ENV)
    if named:
        found = shutil.which(named, path=path)
        if found is None:
            raise NoPdf(f"{BROWSER_ENV} {named}: no such program; give the path of a Chromium or Chrome")
        return found
    for name in BROWSERS:
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    raise NoPdf(f"no PDF without a Chromium: install chromium or chrome, or set {BROWSER_ENV} to its path")


def pdf_of(html: str, program: str | None = None) -> bytes:
    """The page as A4 sheets; raises ``NoPdf`` where it cannot be printed."""
    program = program or browser()
    with tempfile.TemporaryDirectory(prefix="leadtime-pdf-") as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(html, encoding="utf-8")
        _print(command(program, source, made, Path(folder)))
        if not made.exists():
            raise NoPdf(f"{program}: printed nothing; try it by hand with --headless --print-to-pdf")
        return made.read_bytes()


def command(program: str, source: Path, made: Path, folder: Path) -> list[str]:
    """How the browser is called; as root it refuses to run within its own sandbox."""
    unboxed = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        program,
        "--headless",
        "--disable-gpu",
        "--disable-extensions",
        "--disable-background-networking",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--no-pdf-header-footer",
        f"--print-to-pdf={made}",
        *unboxed,
        source.as_uri(),
    ]


def _print(call: Sequence[str]) -> None:
    try:
        subprocess.run(call, capture_output=True, timeout=PRINT_S, check=True)
    except subprocess.TimeoutExpired:
        raise NoPdf(
            f"{call[0]}: printed nothing within {PRINT_S:g} s; try again when the machine is less busy"
        ) from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise NoPdf(f"{call[0]}: ended with {error.returncode}: {last}") from None
    except OSError as error:
        raise NoPdf(f"{call[0]}: cannot be run: {error.strerror}") from None
