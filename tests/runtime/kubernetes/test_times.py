"""Times in the two forms that the API takes, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kubernetes.times import micro, seconds, whole

moments = st.integers(0, 4_000_000_000_000_000).map(lambda us: us / 1e6)


@given(moments)
def test_there_are_always_six_digits(at_s: float) -> None:
    assert len(micro(at_s)) == len("2026-11-21T04:41:42.000000Z")
    assert seconds(micro(at_s)) == pytest.approx(at_s, abs=2e-6)


def test_a_whole_second_keeps_its_digits() -> None:
    assert micro(1_763_700_000.0) == "2025-11-21T04:40:00.000000Z"
    assert whole(1_763_700_000.9) == "2025-11-21T04:40:00Z"


def test_an_offset_is_understood_and_a_missing_zone_is_not() -> None:
    assert seconds("2025-11-21T04:40:00+00:00") == 1_763_700_000.0
    with pytest.raises(ValueError, match="names no zone"):
        seconds("2025-11-21T04:40:00")
