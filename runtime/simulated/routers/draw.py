"""Random numbers out of counters: the same counter always gives the same number, so that a run can be repeated.

The mixing function is splitmix64's; neighbouring counters give numbers that have nothing to do with each other.
"""

from __future__ import annotations

import numpy as np

from runtime.simulated.jit import jit

_STEP = np.uint64(0x9E3779B97F4A7C15)
_STREAM = np.uint64(0xD1B54A32D192ED03)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S1 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)


@jit
def draw(counter: int, stream: int) -> int:
    """A number from 0 to 2^63 - 1 for this counter; streams are independent of each other."""
    z = (np.uint64(counter) + _S1) * _STEP + np.uint64(stream) * _STREAM
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return int(np.int64((z ^ (z >> _S31)) >> _S1))
