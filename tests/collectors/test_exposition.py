"""The fast parser against a slow, obvious one, and against what networks do to pages."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collectors.exposition import Page, Wanted, page_of, parse

FIXTURE = Path(__file__).parent / "fixtures" / "vllm-0.32-metrics.txt"
WANTED = Wanted(frozenset({"a_total", "b"}), frozenset({"h"}), over=frozenset({"engine"}))
HISTOGRAM = 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_count 3\nh_sum 4.5\n'

Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def flat(page: Page) -> Found:
    return {
        (name, tuple(sorted((series.labels | ({"le": str(series.le)} if series.le else {})).items()))): value
        for name, samples in page.samples.items()
        for series, value in samples
    }


def reference(page: str, wanted: Wanted) -> Found:
    found: Found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if wanted.family(sample.name):
                labels = {k: str(float(v)) if k == "le" else v for k, v in sample.labels.items()}
                found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def same(left: Found, right: Found) -> bool:
    pairs = [(left[key], right[key]) for key in left.keys() & right.keys()]
    return left.keys() == right.keys() and all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def test_agrees_with_the_reference_on_a_real_page() -> None:
    text = FIXTURE.read_text()
    names = {family.name for family in text_string_to_metric_families(text)}
    wanted = Wanted(frozenset(names | {f"{n}_total" for n in names}), frozenset({"vllm:request_prompt_tokens"}))
    expected = reference(text, wanted)
    assert len(expected) > 60
    assert flat(parse(text.encode(), wanted)) == expected
    assert flat(parse(text.encode(), wanted)) == expected, "reading again, from memory, gives the same"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x85\u2028\u2029"), max_size=6)
values = st.one_of(st.floats(), st.integers(-1000, 1000), st.sampled_from(["+Inf", "-Inf", "NaN"]))
stamps = st.one_of(st.just(""), st.integers(0, 10**13).map(lambda stamp: f" {stamp}"))


@st.composite
def pages(draw: st.DrawFn) -> str:
    lines = []
    rows = st.tuples(st.sampled_from(["a_total", "b", "a_created", "other"]), texts, texts, values, stamps)
    for name, one, two, value, stamp in draw(st.lists(rows, max_size=8, unique_by=lambda row: row[:3])):
        lines.append(f'{name}{{x="{escaped(one)}",y="{escaped(two)}"}} {value}{stamp}\n')
    return "# HELP b text\n# TYPE b gauge\n" + "".join(lines)


@given(pages())
def test_agrees_with_the_reference(text: str) -> None:
    page = parse(text.encode(), WANTED)
    assert same(flat(page), reference(text, WANTED))
    assert page.gaps == ()


@given(pages(), st.integers(0, 400))
def test_a_cut_page_only_loses(text: str, at: int) -> None:
    whole = flat(parse(text.encode(), WANTED))
    cut = flat(parse(text.encode()[:at], WANTED))
    assert all(whole[key] == value or math.isnan(value) for key, value in cut.items())


@given(st.binary(max_size=200))
def test_garbage_is_survived(garbage: bytes) -> None:
    parse(garbage, WANTED)


def test_special_values() -> None:
    samples = parse(b"b NaN\na_total +Inf\n", WANTED).samples
    assert math.isnan(samples["b"][0][1])
    assert samples["a_total"][0][1] == math.inf


def test_created_series_are_dropped() -> None:
    assert parse(b"a_created 1.7e9\nh_created 1.7e9\n", WANTED).samples == {}


def test_a_series_told_twice_keeps_its_last_value_and_is_named() -> None:
    page = parse(b'a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 5\n', WANTED)
    assert [value for _, value in page.samples["a_total"]] == [5.0]
    assert [gap.subject for gap in page.gaps] == ["a_total"]


@pytest.mark.parametrize("tail", ["b", "b 1", 'b{x="', 'b{x="1"} 12'])
def test_a_cut_last_line_drops_its_family(tail: str) -> None:
    page = parse(f'a_total 3\nb{{x="0"}} 1\n{tail}'.encode(), WANTED)
    assert set(page.samples) == {"a_total"}
    assert [gap.subject for gap in page.gaps] == ["b"]


@pytest.mark.parametrize("tail", ["h_buck", "h_bucket{le", "h_sum 4"])
def test_a_cut_histogram_is_dropped_whole(tail: str) -> None:
    page = parse(f"b 1\n{HISTOGRAM}{tail}".encode(), WANTED)
    assert set(page.samples) == {"b"}
    assert "cut" in page.gaps[0].reason


@pytest.mark.parametrize("tail", ["# HELP b", "unwanted 1"])
def test_a_cut_outside_wanted_families_is_named_and_costs_nothing(tail: str) -> None:
    page = parse(f"b 1\n{tail}".encode(), WANTED)
    assert set(page.samples) == {"b"}
    assert page.gaps[0].subject == "page"


@pytest.mark.parametrize("line", ["b one", "b{x=1} 2", 'b{x="1" 2', "b", 'h_bucket{le="wide"} 1', "h_bucket 1"])
def test_an_unreadable_wanted_line_breaks_its_family(line: str) -> None:
    page = parse(f"a_total 1\n{line}\n".encode(), WANTED)
    assert set(page.samples) == {"a_total"}
    assert [gap.subject for gap in page.gaps] == [line[0]]


def test_shards_and_bounds_are_told_apart_from_labels() -> None:
    page = parse(b'h_bucket{engine="1",le="0.5",model="m"} 2\n', WANTED)
    series, _ = page.samples["h_bucket"][0]
    assert (series.le, series.shard, series.labels) == (
        0.5,
        (("engine", "1"),),
        {"engine": "1", "model": "m"},
    )


def test_a_query_result_reads_like_a_page() -> None:
    page = page_of([("a_total", {"x": "1"}, 2.0), ("other", {}, 3.0)], WANTED)
    assert flat(page) == flat(parse(b'a_total{x="1"} 2\nother 3\n', WANTED))


def test_memory_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.exposition.MEMORY_LINES", 100)
    wanted = Wanted(frozenset({"b"}))
    for start in range(0, 1000, 50):
        parse(b"".join(b'b{x="%d"} 1\n' % n for n in range(start, start + 50)), wanted)
    assert len(wanted.recall()) <= 150
