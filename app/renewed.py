"""What is read from files that change under a running process: certificates that are renewed, tokens that are rotated.

Promise: a change counts from the next question on; one that cannot be used is told in one line, once, and what was read
before stays in force until the files change again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from app.errors import UserError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Stamp = tuple[tuple[int, int, int] | None, ...]


class Renewed(Generic[T]):
    """Calling it gives what ``read`` makes of the files as they are now. ``read`` raises ``UserError`` for what cannot
    be used, and so does the first reading.
    """

    def __init__(self, files: tuple[Path, ...], read: Callable[[], T]) -> None:
        self._files = files
        self._read = read
        self._stamp = stamp(files)
        self._value = read()

    def __call__(self) -> T:
        """What is in force now."""
        # Before the reading: what changes in its course is read once more.
        if (now := stamp(self._files)) != self._stamp:
            self._stamp = now
            try:
                self._value = self._read()
            except UserError as error:
                log.error("what was read before stays in force", why=str(error))
            else:
                log.info("read anew", file=str(self._files[0]))
        return self._value


def stamp(files: tuple[Path, ...]) -> Stamp:
    """What differs once a file was written or replaced; None for one that is not there."""
    return tuple(_one(file) for file in files)


def _one(file: Path) -> tuple[int, int, int] | None:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino
