"""The reference part of the documentation, made from the code whenever it is asked for: CLI, settings, metrics, API.

Promise: what a page says is what the code does now, because none of these pages is kept. ``mkdocs`` asks for them
when it builds (``hook.py``); ``python -m app.reference FOLDER`` writes them for who reads without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.reference import cli, http, metrics, settings

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/cli.md": cli.page,
    "reference/configuration.md": settings.page,
    "reference/metrics.md": metrics.page,
    "reference/api.md": http.page,
}
"""Pages by their path in the documentation."""


def pages() -> dict[str, str]:
    """Every page as Markdown."""
    return {path: make() for path, make in PAGES.items()}
