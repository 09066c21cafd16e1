"""Error figures over worlds whose law is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from runtime.catalog.evaluate import fits, shipped_errors, summary, transfers
from runtime.catalog.fit import numbers, step_of
from runtime.catalog.roofline import expected
from runtime.catalog.store import shipped
from tests.runtime.catalog.samples import LLAMA_70B, SHAPES, row, rows

ALIKE = [
    LLAMA_70B,
    replace(LLAMA_70B, tensor_parallel=4),
    replace(LLAMA_70B, gpu="H200-SXM"),
    replace(LLAMA_70B, model="meta-llama/Llama-3.1-8B"),
]
GROUPS = {c: rows(c, step_of(1.1 * numbers(expected(c)))) for c in ALIKE}


def test_a_world_that_obeys_the_law_is_fitted_and_transferred() -> None:
    found = {s.what: s for s in [*fits(GROUPS), *transfers(GROUPS)]}
    assert [found[what].configurations for what in ("in sample", "a shape left out")] == [4, 4]
    assert found["another parallel size"].configurations == 2
    assert found["another GPU"].configurations == 3
    assert found["another model"].configurations == 4
    assert max(s.mean for s in found.values()) < 0.02


def test_the_shipped_catalogue_tells_measured_from_transferred() -> None:
    found = shipped_errors(shipped(), {c: GROUPS[c] for c in (LLAMA_70B, ALIKE[3])})
    assert [(s.what, s.rows) for s in found] == [
        ("catalogue, measured", 3 * len(SHAPES)),
        ("catalogue, transferred", 3 * len(SHAPES)),
    ]


def test_rows_bound_by_memory_are_in_no_figure() -> None:
    assert fits({LLAMA_70B: [row(ttft_ms=9000, concurrency=c) for c in range(1, 20)]}) == []


def test_a_summary_leaves_out_what_was_not_predicted() -> None:
    found = summary("x", [np.array([0.1, np.nan, 0.3]), np.array([np.nan])])
    assert found is not None and (found.configurations, found.rows) == (1, 2)
    assert found.mean == pytest.approx(0.2) and summary("x", [np.array([np.nan])]) is None
