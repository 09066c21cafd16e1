"""What a fleet writes down is what the next one reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.local.record import NAME, Record, read, write
from runtime.local.spec import Kind, Sleep, Slot
from runtime.replica import Tier

RECORD = Record(
    "tiny-p-0001", "tiny", "p", Slot("c", ("0", "1"), Kind.CPU), 8910, "f", Sleep.PAUSE, Tier.ASLEEP, 12.5, (1, 2)
)


def test_a_record_survives(tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    assert read(tmp_path) == RECORD


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"slot": 1}'])
def test_what_is_no_record_is_one_line_with_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ValueError, match=r"replica\.json: no record of a replica"):
        read(tmp_path)


def test_nothing_there_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record"):
        read(tmp_path)
