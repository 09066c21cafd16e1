"""What strangers wrote is shown by a spreadsheet and never run."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.csvout import STARTS, harmless, table


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "＝1"])
def test_a_formula_becomes_a_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, 2.5, None, "chat-8b", "a=b", ""])
def test_everything_else_stays(value: object) -> None:
    assert harmless(value) == value


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00")), max_size=5))
def test_no_cell_of_any_table_starts_a_formula(texts: list[str]) -> None:
    made = table(["a"], [{"a": text} for text in texts])
    cells = [row[0] for row in csv.reader(io.StringIO(made)) if row]
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(STARTS)]
