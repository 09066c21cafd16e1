"""Whether replicas fit on the GPUs there are: a replica of 4 GPUs needs a node (an NVLink domain) with 4 free.

**By counting.** Where each size divides the next larger one, and slices of a GPU divide the GPU (1/7, 1, 2, 4, 8, say:
nearly always), the replicas fit if and only if for every size g

    Σ over sizes h ≥ g of h·n_h  ≤  Σ over domains of ⌊F/g⌋·g

Necessary, since replicas of g and above fill a domain in multiples of g. Sufficient, since placing the largest first
leaves in every domain a multiple of g for the next size: one of them finds no place only if all the multiples are full.

**By patterns.** Otherwise (3 and 2 GPUs on nodes of 8; 3/7 and 2/7 of a GPU) every way to fill a domain is a pattern,
and one integer per pattern says how many domains are filled that way; slices fill GPUs in the same way, one level
below.

Both take domains as free to be packed anew. Replicas that run are not moved, so a fleet that has fragmented may place
fewer; it then says what it could not place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

Domains = tuple[tuple[int, int], ...]
"""(GPUs in a domain, how many such domains)."""


@dataclass(frozen=True, slots=True)
class Count:
    """A counting row: replicas of ``size`` GPUs and more take together at most ``gpus``."""

    size: Fraction
    gpus: Fraction


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to fill one domain of ``gpus`` GPUs (None: one GPU, with slices): pieces by size."""

    gpus: int | None
    pieces: Mapping[Fraction, int]


def by_counting(sizes: Sequence[Fraction]) -> bool:
    """Whether counting is exact for these sizes."""
    ordered = sorted(set(sizes) | ({Fraction(1)} if min(sizes, default=Fraction(1)) < 1 else set()))
    return all((larger / smaller).denominator == 1 for smaller, larger in pairwise(ordered))


def counting(domains: Domains, sizes: Sequence[Fraction]) -> tuple[Count, ...]:
    """The counting rows, largest size first; rows that follow from a smaller size's are left out."""
    rows: list[Count] = []
    for size in sorted(set(sizes)):
        gpus = sum((math.floor(Fraction(free) / size) * size * many for free, many in domains), Fraction(0))
        if not rows or gpus < rows[-1].gpus:
            rows.append(Count(size, gpus))
    return tuple(reversed(rows))


def patterns(domains: Domains, sizes: Sequence[Fraction]) -> tuple[Pattern, ...]:
    """Every maximal pattern of every kind of domain, and of a GPU that is cut into slices."""
    sliced = sorted({size for size in sizes if size < 1}, reverse=True)
    whole = sorted({size for size in sizes if size >= 1} | ({Fraction(1)} if sliced else set()), reverse=True)
    kinds = {free for free, _ in domains}
    found = [Pattern(free, pieces) for free in sorted(kinds) for pieces in _fillings(Fraction(free), whole)]
    return (*found, *(Pattern(None, pieces) for pieces in _fillings(Fraction(1), sliced)))


def _fillings(room: Fraction, sizes: Sequence[Fraction]) -> Iterator[dict[Fraction, int]]:
    """Maximal ways to fill ``room``: nothing of the smallest size could be added."""
    if not sizes:
        return
    size, rest = sizes[0], sizes[1:]
    fits = math.floor(room / size)
    if not rest:
        yield {size: fits} if fits else {}
        return
    for count in range(fits, -1, -1):
        for filling in _fillings(room - count * size, rest):
            yield {size: count, **filling} if count else filling
