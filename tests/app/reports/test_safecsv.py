"""CSV that stays data: formulas are guarded, numbers are not touched, and everything reads back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.safecsv import csv_text, guarded


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        " =1",
        "\r=1",
        "\n=1",
        "|x",
        "%0A=1",
        "\ufeff=1",
        "\u00a0=1",
    ],
)
def test_what_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert guarded(text).startswith("'")


@pytest.mark.parametrize("text", ["chat", "h100-tp2", "a=b", "1-2", ""])
def test_plain_text_stays(text: str) -> None:
    assert guarded(text) == text


def test_numbers_and_gaps() -> None:
    assert csv_text(["a", "b", "c"], [["x", -1.5, None], ["y,z", 3, 0.1]]).splitlines() == [
        "a,b,c",
        "x,-1.5,",
        '"y,z",3,0.1',
    ]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_no_cell_of_any_text_begins_a_formula(texts: list[str]) -> None:
    [row] = csv.reader(io.StringIO(csv_text(["c"] * len(texts), [texts]).split("\r\n", 1)[1]))
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)
