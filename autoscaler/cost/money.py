"""Money and shares of it in whole numbers, so that what is attributed sums to what was paid, always and exactly.

Amounts are nano-USD (10⁻⁹ $), prices micro-USD per GPU-hour, time GPU-milliseconds. A price of $6.88 for 4 GPUs over
15 s is 6,880,000 × 60,000 / 3600 = 114,666,667 nano-USD. In 64 bits that holds $9.2 thousand million.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

NANO_PER_USD = 1_000_000_000
MICRO_PER_USD = 1_000_000
MS_PER_HOUR = 3_600_000
NANO_PER_MS_AND_MICRO = 3600
"""GPU-milliseconds × micro-USD per GPU-hour over this are nano-USD."""


def micro_usd(usd: float) -> int:
    """A price in micro-USD."""
    return round(usd * MICRO_PER_USD)


def charge(gpu_ms: Ints, micro_usd_per_gpu_hour: Ints) -> Ints:
    """Nano-USD of GPU time at a price, shapes alike, rounded to the nearest."""
    return (gpu_ms * micro_usd_per_gpu_hour + NANO_PER_MS_AND_MICRO // 2) // NANO_PER_MS_AND_MICRO


def shared(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in whole parts by weights of zero or more; they sum to it, and each is within 1 of its fair part.

    Where no weight is above zero, all weigh alike. Raises ValueError without weights.
    """
    if not weights:
        raise ValueError("nobody to share among; give one weight or more")
    if sum(weights) == 0:
        weights = [1] * len(weights)
    ends = [total * reached // sum(weights) for reached in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def shared_rows(totals: Ints, weights: Ints) -> Ints:
    """``shared`` for many at once: totals (n,) among weights (n, k), each row of which has some; (n, k).

    Rows sum to their totals exactly; parts are within 1 of fair as long as totals stay below 2⁵³.
    """
    reached = np.cumsum(weights, axis=1)
    ends = np.floor(totals[:, None] * (reached / reached[:, -1:])).astype(np.int64)
    ends[:, -1] = totals
    return np.diff(ends, axis=1, prepend=0)


def usd(nano_usd: int) -> float:
    """Dollars, for showing; sums are made before."""
    return float(Decimal(int(nano_usd)) / NANO_PER_USD)


def cents(nano_usd: int) -> Decimal:
    """Dollars to the cent."""
    return (Decimal(int(nano_usd)) / NANO_PER_USD).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def rounded(parts: Sequence[int]) -> list[Decimal]:
    """Amounts of a whole to the cent, so that they sum to the whole's cents: the largest rests are rounded up."""
    cent = NANO_PER_USD // 100
    whole = int(cents(sum(parts)) * 100)
    down = [part // cent for part in parts]
    by_rest = sorted(range(len(parts)), key=lambda i: (-(parts[i] % cent), i))
    for i in by_rest[: whole - sum(down)]:
        down[i] += 1
    return [Decimal(value) / 100 for value in down]
