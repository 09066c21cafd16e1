"""Replicas on nodes: counting and patterns against placing every replica by hand."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.allocation.fits import fits
from autoscaler.allocation.placement import by_counting, counting, patterns
from benchmarks.brute_force import placeable

HALF, SEVENTH = Fraction(1, 2), Fraction(1, 7)
whole = st.sampled_from([Fraction(n) for n in (1, 2, 3, 4, 5)])
sliced = st.sampled_from([SEVENTH, 2 * SEVENTH, 3 * SEVENTH, HALF, Fraction(1), Fraction(2)])
domains = st.lists(st.tuples(st.sampled_from([2, 4, 6, 8]), st.just(1)), min_size=1, max_size=3).map(tuple)


@given(domains, st.lists(whole, max_size=7) | st.lists(sliced, max_size=7))
@settings(max_examples=150, deadline=None)
def test_fits_says_what_placing_by_hand_says(there: tuple[tuple[int, int], ...], sizes: list[Fraction]) -> None:
    nodes = [[Fraction(1)] * free for free, many in there for _ in range(many)]
    assert fits(there, Counter(sizes)) == placeable(sorted(sizes, reverse=True), nodes)


def test_counting_is_for_sizes_that_divide_each_other() -> None:
    assert by_counting([Fraction(1), Fraction(2), Fraction(8)])
    assert by_counting([SEVENTH, Fraction(1), Fraction(4)])
    assert not by_counting([Fraction(2), Fraction(3)])
    assert not by_counting([2 * SEVENTH])


def test_a_row_that_follows_from_another_is_left_out() -> None:
    assert len(counting(((8, 10),), [Fraction(1), Fraction(2), Fraction(8)])) == 1
    rows = counting(((8, 2), (6, 1)), [Fraction(1), Fraction(4)])
    assert [(row.size, row.gpus) for row in rows] == [(4, 20), (1, 22)]


def test_patterns_are_maximal() -> None:
    found = [dict(pattern.pieces) for pattern in patterns(((8, 3),), [Fraction(3), Fraction(2)])]
    assert found == [{3: 2, 2: 1}, {3: 1, 2: 2}, {2: 4}]
