"""``python -m dashboards FOLDER``: write Grafana dashboards and Prometheus rules into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboards.files import files, renewed
from dashboards.settings import Settings

DEFAULT = Settings()


def write(
    folder: Annotated[Path, typer.Argument(help="Where grafana/ and prometheus/ are written.")],
    objective: Annotated[float, typer.Option(help="Share of requests in time that is promised.")] = DEFAULT.objective,
    console: Annotated[str, typer.Option(help="Address of the Leadtime console.")] = DEFAULT.console_url,
    runbook: Annotated[str, typer.Option(help="Address of docs/dashboards.md.")] = DEFAULT.runbook_url,
    doc: Annotated[Path | None, typer.Option(help="A document whose alert part is renewed, too.")] = None,
) -> None:
    """Write Grafana dashboards and Prometheus rules into a folder."""
    try:
        settings = Settings(objective, console.rstrip("/"), runbook)
        text = None if doc is None else renewed(doc.read_text(encoding="utf-8"), settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    for name, content in files(settings).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        typer.echo(path)
    if doc is not None and text is not None:
        doc.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(write)
