"""CSV that stays data in a spreadsheet: text that would be taken for a formula is put behind an apostrophe.

Spreadsheets run cells that begin with ``= + - @`` or a tab, and skip some characters before looking (OWASP, CSV
injection). Names of services, pools and tenants come from outside, so every text is guarded; numbers are written by us.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")

Cell = str | float | int | None


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A header and rows, RFC 4180; what is not known is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def guarded(text: str) -> str:
    """Text that no spreadsheet runs; unprintable characters are left out."""
    clean = "".join(mark for mark in text if mark.isprintable() or mark in "\t\r\n")
    return f"'{clean}" if clean.lstrip(" \u00a0\u200b\ufeff").startswith(FORMULAS) else clean
