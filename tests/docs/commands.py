"""The real command line, taken apart: which commands there are, and whether words are a call of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from app.cli.main import app

ROOT = get_command(app)


def leaves(group: Any = ROOT, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is shown, with its words."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name), command
