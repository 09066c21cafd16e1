"""Fewer points for a chart, with every spike kept: each bucket gives its least and greatest point. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float | None]


def downsample(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` (≥ 2) points in time order; a gap survives where all of its bucket is gap."""
    if len(points) <= most:
        return list(points)
    buckets = max(1, most // 2)
    edges = [index * len(points) // buckets for index in range(buckets + 1)]
    kept: list[Point] = []
    for start, end in pairwise(edges):
        kept += extremes(points[start:end])
    return kept


def extremes(bucket: Sequence[Point]) -> list[Point]:
    """The least and greatest known points in time order, or the first gap where nothing is known."""
    known = [point for point in bucket if point[1] is not None]
    if not known:
        return list(bucket[:1])
    low = min(known, key=lambda point: point[1] or 0.0)
    high = max(known, key=lambda point: point[1] or 0.0)
    return sorted({low, high})
