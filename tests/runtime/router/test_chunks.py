"""Chunks come apart alike, whatever pieces they come in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.router.chunks import LONGEST_LINE, Chunks


def coded(contents: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(each), each) for each in contents) + b"0\r\n" + trailer + b"\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 400)), st.booleans())
def test_what_was_coded_comes_out(contents: list[bytes], cuts: list[int], trailed: bool) -> None:
    data = coded(contents, b"x: y\r\n" if trailed else b"") + b"next"
    marks = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = Chunks()
    made = b"".join(chunks.feed(data[begin:end]) for begin, end in pairwise(marks))
    assert (made, chunks.ended, chunks.rest) == (b"".join(contents), True, b"next")


@given(st.binary(max_size=200))
def test_what_is_no_coding_is_told_or_waited_for(data: bytes) -> None:
    chunks = Chunks()
    try:
        assert len(chunks.feed(data)) <= len(data)
    except ValueError:
        return
    assert chunks.ended or len(chunks.rest) <= len(data)


@pytest.mark.parametrize("data", [b"\r\n", b"zz\r\n", b"-1\r\n", b"1\r\nxyy1\r\n", b"1" * (LONGEST_LINE + 1)])
def test_nonsense_is_told(data: bytes) -> None:
    with pytest.raises(ValueError):
        Chunks().feed(data)
