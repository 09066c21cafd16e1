"""The ways in which signals are found: shards add up, other labels tell the same number twice."""

from __future__ import annotations

import math

import pytest

from collectors.exposition import Page, Wanted, parse
from collectors.readings import LabelProduct, Mean, Product, Reading, Total, read_histogram

WANTED = Wanted(frozenset({"a", "b", "info"}), frozenset({"h"}), over=frozenset({"engine"}))


def page(*lines: str) -> Page:
    return parse("".join(f"{line}\n" for line in lines).encode(), WANTED)


SHARDS = ('a{engine="0",rank="0"} 2', 'a{engine="0",rank="1"} 3', 'a{engine="1",rank="0"} 5')


@pytest.mark.parametrize(
    ("reading", "lines", "expected"),
    [
        (Total("a"), SHARDS, 8),
        (Mean("a"), SHARDS, 4),
        (Total("a", "rank", ("0",)), SHARDS, 7),
        (Total("a", "rank", ("0",), negate=True), SHARDS, 3),
        (Product(Total("a"), Total("b")), ("a 3", "b 4"), 12),
        (Product(Total("a"), Total("b")), ('a{engine="0"} 3', 'b{engine="1"} 4'), None),
        (LabelProduct("info", "n", "size"), ('info{n="3",size="16"} 1',), 48),
        (LabelProduct("info", "n", "size"), ('info{n="None",size="16"} 1',), None),
        (LabelProduct("info", "n", "size"), ('info{n="3"} 1',), None),
    ],
)
def test_readings(reading: Reading, lines: tuple[str, ...], expected: float | None) -> None:
    assert reading.read(page(*lines)) == expected
    assert reading.read(page()) is None


def test_nan_passes_through() -> None:
    assert math.isnan(Total("a").read(page('a{engine="0"} NaN', 'a{engine="1"} 1')) or 0.0)


def test_a_reading_names_what_it_looks_at() -> None:
    reading = Product(Total("a", "kind", ("x",)), Total("b"))
    assert (reading.names, reading.labels) == (("a", "b"), ("kind",))


def lines_of(engine: str, counts: dict[str, int]) -> list[str]:
    buckets = [f'h_bucket{{engine="{engine}",le="{le}"}} {count}' for le, count in counts.items()]
    return [*buckets, f'h_count{{engine="{engine}"}} {max(counts.values())}', f'h_sum{{engine="{engine}"}} 7.5']


def test_histograms_of_shards_add_up() -> None:
    found = read_histogram(page(*lines_of("0", {"1": 1, "+Inf": 2}), *lines_of("1", {"1": 0, "+Inf": 3})), "h")
    assert found is not None
    assert (found.bounds, found.counts, found.total) == ((1, math.inf), (1, 5), 15)


def test_buckets_in_any_order() -> None:
    found = read_histogram(page(*lines_of("0", {"+Inf": 2, "1": 1})), "h")
    assert found is not None and found.counts == (1, 2)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (lines_of("0", {"1": 1}), "lacks a bucket"),
        (lines_of("0", {"1": 1, "+Inf": 2})[:-1], "lacks its sum"),
        (lines_of("0", {"1": 1, "+Inf": 2})[2:], "its buckets"),
        (lines_of("0", {"1": 1, "+Inf": 2}) + lines_of("1", {"2": 1, "+Inf": 2}), "lacks a bucket"),
        (lines_of("0", {"1": 5, "+Inf": 2}), "falls"),
        ([*lines_of("0", {"1": 1, "+Inf": 2})[:-1], 'h_sum{engine="0"} NaN'], "not finite"),
    ],
)
def test_a_histogram_is_never_half_read(lines: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_histogram(page(*lines), "h")


def test_no_histogram_is_none() -> None:
    assert read_histogram(page(), "h") is None
