"""What ``mkdocs build`` runs: reference pages are made at every build, and the project's own files become pages.

Promise: nothing that is made is kept in the repository, so nothing that is kept can be stale. Pages that nobody put
into the navigation are still built and found by the search.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from app.reference import pages

ROOT = Path(__file__).parents[2]
PROJECT = {"project/changelog.md": "CHANGELOG.md", "project/contributing.md": "CONTRIBUTING.md"}
"""Files at the root that are pages of the site, too."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs/``."""
    made = {name: moved((ROOT / source).read_text(encoding="utf-8")) for name, source in PROJECT.items()}
    for name, content in (pages() | made).items():
        files.append(File.generated(config, name, content=content))
    return files


def moved(text: str) -> str:
    """Links of a file at the root, as they are one folder below ``docs/``."""
    return re.sub(r"\]\(docs/", "](../", text)
