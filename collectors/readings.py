"""How one of our signals is found among an engine's metrics: the few ways that the tables of engines need.

A reading names the metrics and labels it looks at, so the same table serves a scraped page and a Prometheus
query. All of them add up over the shards of a replica (data-parallel ranks) and take the larger of series
that differ only in other labels, since those tell the same number twice (tensor-parallel ranks, two
scrapers). NaN passes through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from collectors.exposition import Page
from collectors.observation import Histogram

Shard = tuple[tuple[str, str], ...]


class Reading(Protocol):
    """One way to find a signal."""

    @property
    def names(self) -> tuple[str, ...]:
        """Sample names it looks at."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels it looks at."""
        ...

    def read(self, page: Page) -> float | None:
        """The value; None if the page does not say."""
        ...


@dataclass(frozen=True, slots=True)
class Total:
    """Sum of a metric over shards, of the series whose ``label`` is (or, with ``negate``, is not) among
    ``among``.
    """

    name: str
    label: str = ""
    among: tuple[str, ...] = ()
    negate: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The one metric."""
        return (self.name,)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label chosen by, if any."""
        return (self.label,) if self.label else ()

    def shards(self, page: Page) -> dict[tuple[Shard, str], float]:
        """The value of each shard (and of each value of the label)."""
        found: dict[tuple[Shard, str], float] = {}
        for series, value in page.samples.get(self.name, ()):
            chosen = series.labels.get(self.label, "")
            if not self.label or (chosen in self.among) != self.negate:
                key = (series.shard, chosen)
                found[key] = max(value, found.get(key, value))
        return found

    def read(self, page: Page) -> float | None:
        """The sum."""
        found = self.shards(page)
        return sum(found.values()) if found else None


@dataclass(frozen=True, slots=True)
class Mean(Total):
    """Mean over shards, for ratios: shards are of one size, so the mean is the ratio of the whole replica."""

    def read(self, page: Page) -> float | None:
        """The mean."""
        found = self.shards(page)
        return sum(found.values()) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class Product:
    """Product of two totals that each shard tells, as blocks and tokens per block, summed over shards."""

    left: Total
    right: Total

    @property
    def names(self) -> tuple[str, ...]:
        """Both metrics."""
        return self.left.names + self.right.names

    @property
    def labels(self) -> tuple[str, ...]:
        """Both labels."""
        return self.left.labels + self.right.labels

    def read(self, page: Page) -> float | None:
        """The sum of products."""
        right = {shard: value for (shard, _), value in self.right.shards(page).items()}
        left = {shard: value for (shard, _), value in self.left.shards(page).items()}
        both = [value * right[shard] for shard, value in left.items() if shard in right]
        return sum(both) if both else None


@dataclass(frozen=True, slots=True)
class LabelProduct:
    """Product of two numbers that an info metric carries as labels, summed over shards."""

    name: str
    left: str
    right: str

    @property
    def names(self) -> tuple[str, ...]:
        """The info metric."""
        return (self.name,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Both labels."""
        return (self.left, self.right)

    def read(self, page: Page) -> float | None:
        """The sum of products; None where a label is no number (vLLM prints ``None`` before it has
        profiled).
        """
        products: dict[Shard, float] = {}
        for series, _ in page.samples.get(self.name, ()):
            try:
                products[series.shard] = float(series.labels[self.left]) * float(series.labels[self.right])
            except (KeyError, ValueError):
                return None
        return sum(products.values()) if products else None


def read_histogram(page: Page, family: str) -> Histogram | None:
    """The histogram of a family, its shards added; None if the page has none.

    ``total`` is the sum of the observed values, the number of observations is ``counts[-1]``. Raises
    ValueError, with the reason, where a part is missing or bounds differ: a histogram is never half read.
    """
    buckets: dict[Shard, dict[float, float]] = {}
    for series, value in page.samples.get(f"{family}_bucket", ()):
        if series.le is not None:
            shard = buckets.setdefault(series.shard, {})
            shard[series.le] = max(value, shard.get(series.le, value))
    sums = Total(f"{family}_sum").shards(page)
    counts = Total(f"{family}_count").shards(page)
    if not buckets and not sums and not counts:
        return None
    return _add(buckets, {s for s, _ in sums} & {s for s, _ in counts}, sum(sums.values()))


def _add(buckets: dict[Shard, dict[float, float]], whole: set[Shard], total: float) -> Histogram:
    if whole != set(buckets):
        raise ValueError("lacks its sum, its count or its buckets")
    bounds = sorted(next(iter(buckets.values())))
    if bounds[-1] != math.inf or any(sorted(shard) != bounds for shard in buckets.values()):
        raise ValueError("lacks a bucket")
    counts = tuple(sum(shard[bound] for shard in buckets.values()) for bound in bounds)
    if not all(math.isfinite(count) for count in (*counts, total)):
        raise ValueError("is not finite")
    if any(later < earlier for earlier, later in pairwise(counts)):
        raise ValueError("falls from one bucket to the next")
    return Histogram(tuple(bounds), counts, total)


def series_names(family: str) -> tuple[str, ...]:
    """Sample names of a histogram family."""
    return (f"{family}_bucket", f"{family}_sum", f"{family}_count")
