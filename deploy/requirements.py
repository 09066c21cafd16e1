"""The project's dependencies, one a line, so that the image can install them before it has the source.

``python deploy/requirements.py EXTRA…`` prints them, with those of the extras; it needs ``pyproject.toml`` in the
working directory and nothing but the standard library.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(project: Path, extras: list[str]) -> list[str]:
    """What the project needs; raises ``KeyError`` for an extra that there is not."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    optional = table["optional-dependencies"]
    return [*table["dependencies"], *(line for extra in extras for line in optional[extra])]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])) + "\n")
