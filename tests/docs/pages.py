"""The documentation as the tests read it: files, commands in blocks and in lines, links within a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.reference.markdown import anchor

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

SHELL = ("", "sh", "bash", "shell", "console")
FENCE = re.compile(r"^(\s*)```\s*([\w-]*)\s*$")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
INDENTED = re.compile(r"^ {4,}\S")


@dataclass(frozen=True, slots=True)
class Line:
    """One command line of a page, continuation lines joined; ``block`` whether it stands in a block of code."""

    page: str
    number: int
    text: str
    block: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.text}"


def lines(path: Path) -> Iterator[Line]:
    """Everything on a page that could be a command: lines of blocks, and code within text."""
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    held, began = "", 0
    for number, line, block in marked(text):
        if not block:
            yield from (Line(name, number, span, False) for span in SPAN.findall(line))
            continue
        began = began if held else number
        held = f"{held} {line.strip()}".strip()
        if held.endswith("\\"):
            held = held[:-1]
        else:
            yield Line(name, began, held, True)
            held = ""


def marked(text: str) -> Iterator[tuple[int, str, bool]]:
    """Numbered lines, each with whether it is in a block of shell; blocks of other languages are left out."""
    language: str | None = None
    before_blank = True
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence:
            language = fence[2] if language is None else None
        elif language is not None:
            if language in SHELL:
                yield number, line, True
        else:
            indented = bool(INDENTED.match(line)) and before_blank
            yield number, line, indented
            before_blank = indented or not line.strip()


def broken_anchors(text: str) -> list[str]:
    """Links within a page to headings that it does not have."""
    headings = {anchor(line.lstrip("#").strip()) for line in text.splitlines() if line.startswith("#")}
    return sorted({link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in headings})
