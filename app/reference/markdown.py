"""The little Markdown that reference pages need: tables whose cells cannot break the table, and code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NONE = "–"


def cell(text: str) -> str:
    """Text that stays within one cell: one line, no bars, and docstrings' double backticks as single ones."""
    one_line = " ".join(text.replace("``", "`").split())
    return one_line.replace("|", "\\|") or NONE


def code(text: str) -> str:
    """Text as code; nothing for nothing. A bar in a cell is escaped within code, too."""
    return f"`{text}`" if text else NONE


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or a line that says that there is nothing."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    if not lines:
        return "None.\n"
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines, ""])


def prose(docstring: str | None) -> str:
    """A docstring as a paragraph."""
    return " ".join((docstring or "").replace("``", "`").split())


def anchor(heading: str) -> str:
    """The anchor that a heading gets: as Python-Markdown's toc extension makes it of ASCII text."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
