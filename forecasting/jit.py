"""How the few loops of forecasting that NumPy cannot say are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compiled on the first call, then cached beside the source."""
    return cast(F, njit(cache=True, error_model="numpy")(function))
