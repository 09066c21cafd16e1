"""Files that change under a running process: the newest that can be used counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.errors import UserError
from app.renewed import Renewed


class Number:
    """A number in a file, and how often it was read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        try:
            return int(self.file.read_text())
        except (OSError, ValueError):
            raise UserError(f"{self.file}: give a number") from None


def made(file: Path, text: str = "1") -> tuple[Renewed[int], Number]:
    file.write_text(text)
    number = Number(file)
    return Renewed((file,), number), number


def test_what_does_not_change_is_read_once(tmp_path: Path) -> None:
    current, number = made(tmp_path / "n")
    assert [current() for _ in range(3)] == [1, 1, 1] and number.times == 1


def test_a_change_counts_from_the_next_question_on(tmp_path: Path) -> None:
    current, number = made(tmp_path / "n")
    number.file.write_text("22")
    assert current() == 22
    (tmp_path / "other").write_text("33")
    (tmp_path / "other").replace(number.file)
    assert current() == 33


def test_what_cannot_be_used_is_told_once_and_changes_nothing(tmp_path: Path) -> None:
    current, number = made(tmp_path / "n")
    with capture_logs() as said:
        number.file.write_text("none")
        assert [current(), current()] == [1, 1]
        number.file.unlink()
        assert [current(), current()] == [1, 1]
    assert [one["log_level"] for one in said] == ["error", "error"] and "give a number" in said[0]["why"]
    number.file.write_text("4444")
    assert current() == 4444


def test_the_first_reading_must_succeed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a number"):
        made(tmp_path / "n", "none")
