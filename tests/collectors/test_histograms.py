"""Arithmetic of histograms against the values that they were made from."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.histograms import added, growth, quantile, quantiles, square_sum
from collectors.observation import Histogram

BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, math.inf)
values = st.lists(st.floats(0.01, 99.0), min_size=1, max_size=50)


def histogram(observed: list[float], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    counts = tuple(float(sum(value <= bound for value in observed)) for bound in bounds)
    return Histogram(bounds, counts, sum(observed))


@given(values, values)
def test_growth_is_what_was_added(first: list[float], then: list[float]) -> None:
    change = growth(histogram(first + then), histogram(first))
    assert change is not None
    assert change.counts == histogram(then).counts
    assert change.total == pytest.approx(sum(then))


@given(values, values)
def test_added_is_the_histogram_of_both(one: list[float], two: list[float]) -> None:
    both, left_out = added([histogram(one), histogram(two)])
    assert both is not None and left_out == 0
    assert both.counts == histogram(one + two).counts


@given(values, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(observed: list[float], q: float) -> None:
    exact = sorted(observed)[math.ceil(q * len(observed) - 1e-9) - 1]
    at = bisect_left(BOUNDS, exact)
    low = BOUNDS[at - 1] if at else 0.0
    assert low <= (quantile(histogram(observed), q) or -1.0) <= BOUNDS[at]


@given(values)
def test_the_square_sum_is_no_less_than_the_mean_allows(observed: list[float]) -> None:
    h = histogram(observed)
    assert square_sum(h) >= h.total**2 / len(observed) * (1 - 1e-9)


def test_the_square_sum_of_the_worked_example() -> None:
    assert square_sum(histogram([30.0] * 10)) == pytest.approx(9551, abs=1)


def test_a_quantile_interpolates() -> None:
    assert quantile(Histogram((1.0, 3.0, math.inf), (10.0, 20.0, 20.0), 30.0), 0.75) == 2.0


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile(histogram([500.0]), 0.5) == 100.0


def test_nothing_observed_has_no_quantiles() -> None:
    empty = histogram([])
    assert quantile(empty, 0.5) is None
    assert (quantiles(empty), quantiles(None)) == ({}, {})
    assert square_sum(empty) == 0.0


def test_quantiles_are_named() -> None:
    assert set(quantiles(histogram([3.0, 4.0]))) == {"p50", "p90", "p99"}


def test_what_fell_or_changed_its_bounds_did_not_grow() -> None:
    assert growth(histogram([1.0]), histogram([1.0, 2.0])) is None
    assert growth(histogram([1.0]), histogram([1.0], (1.0, math.inf))) is None


def test_growth_since_nothing_is_everything() -> None:
    assert growth(histogram([1.0, 4.0]), None) == histogram([1.0, 4.0])


def test_odd_bounds_are_left_out_and_counted() -> None:
    both, left_out = added([histogram([1.0]), histogram([4.0]), histogram([1.0], (1.0, math.inf))])
    assert both == histogram([1.0, 4.0])
    assert left_out == 1
    assert added([]) == (None, 0)
