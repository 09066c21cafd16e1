"""Randomness by address: the draw at (key, index) is the same whoever asks, in whatever order and how much at a time.

That is what makes an endless workload the same in slices of a second and of a day. Draws are a 64-bit mix (the
finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014) of the key and the index.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def stream(seed: int, *names: str | int) -> int:
    """A 64-bit key for an independent stream; the same names give the same key in every process."""
    key = zlib.crc32(repr(names).encode())
    return int(_mix(np.array([(seed & 0xFFFFFFFF) << 32 | key], np.uint64))[0])


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def uniform(key: int, index: Ints) -> Floats:
    """A draw in (0, 1) for every index, in the shape of ``index``."""
    z = index.astype(np.uint64) * _STEP + np.uint64(key)
    return ((_mix(_mix(z)) >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def normal(key: int, index: Ints) -> Floats:
    """A standard normal draw for every index."""
    draws: Floats = ndtri(uniform(key, index))
    return draws


def lognormal(key: int, index: Ints, sigma: float) -> Floats:
    """A lognormal draw of mean 1 for every index."""
    return np.exp(sigma * normal(key, index) - sigma * sigma / 2)


def drift(key: int, at: Floats, sigma: float) -> Floats:
    """A lognormal process of mean about 1 that wanders from one integer of ``at`` to the next without a jump."""
    left = np.floor(at)
    weight = at - left
    z = (1 - weight) * normal(key, left.astype(np.int64)) + weight * normal(key, left.astype(np.int64) + 1)
    z /= np.sqrt((1 - weight) ** 2 + weight**2)
    return np.exp(sigma * z - sigma * sigma / 2)
