"""How commands speak: tables for people on stdout, or one JSON document and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def out() -> Console:
    """The console that results go to."""
    from rich.console import Console

    # A pipe has no width of its own; tables in files should not be folded at 80.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def err() -> Console:
    """The console that progress goes to."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def json_out(document: Any) -> None:
    """One JSON document."""
    import json

    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Table:
    """A rich table whose last ``numbers`` columns are right-aligned; cells are plain text, never markup."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        right = index >= len(columns) - numbers
        made.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def when(at_s: float) -> str:
    """A UTC time as people write it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number, or a dash where it is not known."""
    return "–" if value is None else f"{value:,.{digits}f}{unit}"
