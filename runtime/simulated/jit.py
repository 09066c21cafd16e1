"""The one way functions are compiled here: by numba, cached on disk, with numpy's rules for division."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile ``function`` on first call; its type stays what it was."""
    return cast(F, njit(cache=True, error_model="numpy")(function))
