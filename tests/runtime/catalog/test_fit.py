"""Fits find the numbers behind the rows, and lean on the data sheet only where rows leave them open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.catalog import fit
from runtime.catalog.roofline import expected
from runtime.pool import StepTime
from tests.runtime.catalog.samples import LLAMA_70B, STEP, UNKNOWN, row, rows

positive = st.floats(0.01, 100)


@settings(deadline=None)
@given(st.builds(StepTime, st.floats(1, 100), st.floats(0, 1), st.floats(0, 1), positive))
def test_numbers_behind_the_rows_are_found(step: StepTime) -> None:
    """Exactly, for a model whose shape is not known: nothing else pulls."""
    found = fit.fit(rows(UNKNOWN, step))
    assert fit.numbers(found) == pytest.approx(fit.numbers(step), rel=1e-4, abs=1e-4)


def test_many_shapes_outweigh_the_data_sheet() -> None:
    found = fit.fit(rows())
    assert fit.numbers(found) == pytest.approx(fit.numbers(STEP), rel=0.05)
    assert float(fit.errors(rows()).family_left_out.max()) < 0.05


def test_one_shape_leans_on_the_data_sheet() -> None:
    """A single shape cannot tell b, k and p apart; the fit stays near both the rows and the expectation."""
    one = rows(shapes=[(1024, 1024)])
    assert np.abs(fit.predict_tpot_ms(fit.fit(one), one) / [r.tpot_ms for r in one] - 1).max() < 0.02
    assert fit.fit(one).p_ms_per_1k_prefill_tokens == pytest.approx(
        expected(LLAMA_70B).p_ms_per_1k_prefill_tokens, rel=0.3
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(2, 9000), st.integers(1, 500), positive), min_size=1))
def test_numbers_are_never_negative(loads: list[tuple[int, int, int, float]]) -> None:
    made = [replace(row(shape=(i, o), concurrency=c), tpot_ms=tpot) for i, o, c, tpot in loads]
    assert fit.numbers(fit.fit(made)).min() >= 0


def test_a_row_left_out_is_worse_than_one_fitted() -> None:
    rng = np.random.default_rng(1)
    noisy = [replace(r, tpot_ms=r.tpot_ms * rng.normal(1, 0.05)) for r in rows()]
    errors = fit.errors(noisy)
    assert errors.in_sample.mean() < min(errors.left_out.mean(), errors.family_left_out.mean())
    assert max(errors.left_out.mean(), errors.family_left_out.mean()) < 0.1


def test_without_its_only_shape_nothing_is_predicted() -> None:
    errors = fit.errors(rows(shapes=[(1024, 1024)]))
    assert np.isnan(errors.family_left_out).all() and not np.isnan(errors.left_out).any()


def test_rows_that_waited_for_memory_are_known_by_their_ttft() -> None:
    assert fit.bound(row(ttft_ms=59200)) and not fit.bound(row(ttft_ms=1745))


def test_alone_there_is_no_prefill_of_others() -> None:
    """C = 1: a + b + k·(I + O/2)/1000."""
    assert row(concurrency=1).tpot_ms == pytest.approx(16.55 + 0.041 + 0.0581 * 1.536)
