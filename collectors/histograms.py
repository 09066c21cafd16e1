"""Arithmetic of cumulative histograms: growth over an interval, sums over replicas, quantiles, moments.

``Histogram.total`` is the sum of the observed values; the number of observations is the last count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from collectors.observation import Histogram

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def growth(now: Histogram, before: Histogram | None) -> Histogram | None:
    """What was observed since ``before`` (None: since zero); None where the two cannot be compared.

    They cannot where bounds differ or a count fell.
    """
    if before is None:
        return now
    if now.bounds != before.bounds:
        return None
    counts = tuple(a - b for a, b in zip(now.counts, before.counts, strict=True))
    rises = all(low <= high for low, high in pairwise((0.0, *counts)))
    return Histogram(now.bounds, counts, now.total - before.total) if rises else None


def added(histograms: Sequence[Histogram]) -> tuple[Histogram | None, int]:
    """The sum of those that share the commonest bounds, and how many had others and were left out."""
    if not histograms:
        return None, 0
    bounds, alike = Counter(histogram.bounds for histogram in histograms).most_common(1)[0]
    chosen = [histogram for histogram in histograms if histogram.bounds == bounds]
    counts = tuple(map(sum, zip(*(histogram.counts for histogram in chosen), strict=True)))
    return Histogram(bounds, counts, sum(h.total for h in chosen)), len(histograms) - alike


def quantile(histogram: Histogram, q: float) -> float | None:
    """The q-quantile, linear within its bucket; the largest finite bound beyond it; None without
    observations.

    As Prometheus' ``histogram_quantile`` for positive values.
    """
    rank = q * histogram.counts[-1]
    if not histogram.counts[-1] > 0:
        return None
    for low, high, below, upto in _buckets(histogram):
        if upto >= rank and upto > below:
            return low if math.isinf(high) else low + (high - low) * max(0.0, rank - below) / (upto - below)
    return None


def quantiles(histogram: Histogram | None) -> dict[str, float]:
    """p50, p90 and p99; empty without observations."""
    if histogram is None:
        return {}
    found = {name: quantile(histogram, q) for name, q in QUANTILES.items()}
    return {name: value for name, value in found.items() if value is not None}


def square_sum(histogram: Histogram) -> float:
    """Estimate of the sum of squares of what was observed.

    Within a bucket from l to u values are taken as uniform: mean (l + u) / 2, mean square (l² + l·u + u²) /
    3. The result is scaled so that the same estimate of the plain sum would have met ``total``, which is
    exact. Example: 10 values of 30 in a bucket from 20 to 50 give 10·1300·(300 / 350)² = 9551; exact is
    9000.
    """
    plain = square = 0.0
    for low, high, below, upto in _buckets(histogram):
        top = 2 * low if math.isinf(high) else high
        plain += (upto - below) * (low + top) / 2
        square += (upto - below) * (low * low + low * top + top * top) / 3
    return square * (histogram.total / plain) ** 2 if plain > 0 else 0.0


def _buckets(histogram: Histogram) -> Iterable[tuple[float, float, float, float]]:
    """Of each bucket its bounds and the cumulative counts before and after it; the first starts at zero."""
    lows = (0.0, *histogram.bounds[:-1])
    return zip(lows, histogram.bounds, (0.0, *histogram.counts[:-1]), histogram.counts, strict=True)
