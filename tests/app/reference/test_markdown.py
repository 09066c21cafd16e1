"""Tables keep together whatever is put into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reference.markdown import anchor, cell, table


@given(st.text())
def test_a_cell_is_one_line_and_closes_no_cell(text: str) -> None:
    told = cell(text)
    assert told and len(told.splitlines()) == 1
    assert "|" not in told.replace("\\|", "")


def test_an_empty_table_says_so() -> None:
    assert table(["a"], []) == "None.\n"
    assert table(["a", "b"], [("1", "")]) == "| a | b |\n| --- | --- |\n| 1 | – |\n"


@pytest.mark.parametrize(
    ("heading", "link"),
    [("services[].pools[].step", "servicespoolsstep"), ("HTTPValidationError", "httpvalidationerror")],
)
def test_anchors_are_those_of_the_site(heading: str, link: str) -> None:
    assert anchor(heading) == link
