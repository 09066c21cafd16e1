"""Rows of signals survive the way to bytes and back, and minutes keep what they should."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.packing import column, minutes, pack, unpack

POSITIONS = {f"s{n}": n for n in range(6)}
signals = st.dictionaries(
    st.sampled_from(sorted(POSITIONS)), st.one_of(st.none(), st.floats(allow_nan=False)), max_size=6
)


@given(st.lists(signals, max_size=8))
def test_what_is_packed_is_unpacked(rows: list[dict[str, float | None]]) -> None:
    values = unpack([pack(row, POSITIONS) for row in rows])
    for name, position in POSITIONS.items():
        for row, value in zip(rows, column(values, position), strict=True):
            expected = row.get(name)
            assert math.isnan(value) if expected is None else value == expected


def test_an_unknown_signal_is_all_gaps() -> None:
    assert np.isnan(column(unpack([pack({"s0": 1.0}, POSITIONS)]), None)).all()


def test_minutes_keep_means_and_peaks() -> None:
    times = np.array([0.0, 15.0, 30.0, 60.0, 61.0, 130.0])
    values = np.array([[1, 1], [2, 2], [np.nan, 4], [6, 0], [7, 7], [np.nan, np.nan]])
    ends, merged = minutes(times, values, peaks=[1])
    assert ends.tolist() == [0, 60, 120, 180]
    assert merged[:3].tolist() == [[1, 1], [4, 4], [7, 7]]
    assert np.isnan(merged[3]).all(), "a minute of gaps stays one"
