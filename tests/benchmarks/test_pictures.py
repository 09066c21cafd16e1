"""Every picture of the console in the documentation is one that the command makes, and is shown somewhere."""

from __future__ import annotations

from benchmarks.pictures import IMAGES, PICTURES

ROOT = IMAGES.parents[1]


def test_the_command_makes_what_the_documentation_shows() -> None:
    assert {f"{name}.png" for name in PICTURES} == {path.name for path in IMAGES.glob("*.png")}


def test_every_picture_is_shown() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    assert [name for name in PICTURES if f"images/{name}.png" not in texts] == []
