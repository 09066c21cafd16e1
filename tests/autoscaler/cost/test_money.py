"""Whole numbers: parts sum to what is shared, and charges are right to half a nano-dollar."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.money import cents, charge, micro_usd, rounded, shared, shared_rows, usd


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**15), min_size=1, max_size=30))
def test_parts_sum_to_the_whole_and_are_fair_to_one(total: int, weights: list[int]) -> None:
    parts = shared(total, weights)
    assert sum(parts) == total
    even = [1] * len(weights)
    fair = [Fraction(total * w, sum(weights) or len(even)) for w in (weights if sum(weights) else even)]
    assert all(abs(part - exact) <= 1 for part, exact in zip(parts, fair, strict=True))


def test_without_weight_all_are_alike() -> None:
    assert shared(10, [0, 0]) == [5, 5]


def test_nobody_to_share_among_is_an_error() -> None:
    with pytest.raises(ValueError, match="give one weight or more"):
        shared(1, [])


@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_a_charge_is_right_to_half_a_nano(ms: int, micro: int) -> None:
    exact = Fraction(ms, 3_600_000) * Fraction(micro, 10**6) * 10**9
    assert abs(int(charge(np.array([ms]), np.array([micro]))[0]) - exact) <= Fraction(1, 2)


def test_dollars_and_cents() -> None:
    assert micro_usd(6.88) == 6_880_000
    assert cents(12_345_678_901) == Decimal("12.35")
    assert usd(1_500_000_000) == 1.5


@given(st.lists(st.integers(-5, 10**16), max_size=20))
def test_rounded_parts_sum_to_the_rounded_whole(parts: list[int]) -> None:
    found = rounded(parts)
    assert sum(found) == cents(sum(parts))
    assert all(abs(shown * 10**9 - part) <= 10**7 for shown, part in zip(found, parts, strict=True))


@given(st.lists(st.tuples(st.integers(0, 2**50), st.lists(st.integers(0, 10**10), min_size=4, max_size=4)), max_size=9))
def test_many_are_shared_at_once_as_one_by_one(drawn: list[tuple[int, list[int]]]) -> None:
    totals = np.array([total for total, _ in drawn], dtype=np.int64)
    weights = np.array([[w + (i == 0) for i, w in enumerate(ws)] for _, ws in drawn], dtype=np.int64).reshape(-1, 4)
    found = shared_rows(totals, weights)
    assert found.sum(axis=1).tolist() == totals.tolist()
    for row, total, own in zip(found.tolist(), totals.tolist(), weights.tolist(), strict=True):
        assert all(abs(part - alone) <= 1 for part, alone in zip(row, shared(total, own), strict=True))
