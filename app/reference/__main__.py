"""``python -m app.reference FOLDER``: write the reference pages as Markdown, for who reads without the site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.reference import pages


def write(folder: Annotated[Path, typer.Argument(help="Where reference/ is written.")]) -> None:
    """Write the reference pages into a folder."""
    for name, content in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        typer.echo(path)


if __name__ == "__main__":
    typer.run(write)
