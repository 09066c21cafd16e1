"""The one way functions are compiled here: by numba, cached on disk, with numpy's rules for division.

Numba takes a cached function for good while the file it stands in is unchanged, but ours have callees from other
files compiled into them. So the stamp of every cached function is here that of all compiled source together.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def _stamp() -> str:
    """Digest of the text of every file here that has compiled functions."""
    texts = (path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return blake2b(b"".join(text for text in texts if b"@jit" in text or b"np.dtype" in text)).hexdigest()


STAMP = _stamp()


def jit(function: F) -> F:
    """Compile ``function`` on first call; its type stays what it was."""
    compiled: Any = njit(cache=True, error_model="numpy")(function)
    compiled._cache._cache_file._source_stamp = STAMP
    return cast(F, compiled)
