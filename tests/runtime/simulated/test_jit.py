"""What is compiled computes what Python would, divides as numpy does, and makes no arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numba.core.errors import NumbaError

from runtime.simulated.jit import STAMP, jit, jit_apart


@jit
def _ratio(a: float, b: float) -> float:
    return a / b


@jit_apart
def _sum(values: npt.NDArray[np.float64]) -> float:
    total = 0.0
    for value in values:
        total += _ratio(value, 2.0)
    return total


@jit
def _make(count: int) -> npt.NDArray[np.float64]:
    return np.zeros(count)


def test_it_computes_what_python_would() -> None:
    assert _sum(np.array([1.0, 2.0, 4.0])) == 3.5


def test_a_division_by_zero_is_infinite() -> None:
    assert _ratio(1.0, 0.0) == np.inf


def test_an_array_cannot_be_made() -> None:
    with pytest.raises(NumbaError, match="Only accept returning of array passed"):
        _make(3)


def test_cached_code_is_stamped_with_all_source() -> None:
    for function in (_ratio, _sum):
        assert function._cache._cache_file._source_stamp == STAMP  # type: ignore[attr-defined]
