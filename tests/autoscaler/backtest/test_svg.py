"""What is drawn stays where it belongs, keeps its extremes, and stays clear of the rest."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest import svg
from autoscaler.backtest.svg import Box, Scale

series = st.lists(st.integers(0, 40), min_size=1, max_size=400).map(lambda values: np.array(values, np.float64))


@given(series, st.integers(10, 60))
def test_a_thinned_series_has_few_points_both_ends_and_all_extremes(values: svg.Floats, most: int) -> None:
    at, kept = svg.thin(np.arange(len(values), dtype=np.float64), values, most)
    assert len(at) <= most
    assert (at[0], at[-1]) == (0, len(values) - 1)
    assert (kept == values[at.astype(int)]).all()
    assert (kept.min(), kept.max()) == (values.min(), values.max())
    assert (np.diff(at) > 0).all()


@given(series)
def test_where_there_is_room_only_repetitions_go(values: svg.Floats) -> None:
    at, kept = svg.thin(np.arange(len(values), dtype=np.float64), values, 1000)
    rebuilt = kept[np.searchsorted(at, np.arange(len(values)), side="right") - 1]
    assert (rebuilt == values).all()


def test_a_peak_of_one_minute_in_a_month_is_still_there() -> None:
    values = np.tile([3.0, 4.0], 21_600)
    values[30_001] = 40.0
    assert svg.thin(np.arange(43_200.0), values)[1].max() == 40.0


def test_a_step_line_holds_each_value_until_the_next() -> None:
    x, y = Scale(0, 10, 0, 100), Scale(0, 2, 50, 0)
    drawn = svg.steps(np.array([0.0, 4.0, 10.0]), np.array([0.0, 2.0, 1.0]), x, y)
    assert drawn == "M0,50H40V0H100V25"


@given(st.floats(0, 1e6), st.floats(0.001, 1e6), st.integers(2, 8))
def test_ticks_are_round_evenly_spaced_and_inside(low: float, width: float, about: int) -> None:
    found = svg.ticks(low, low + width, about)
    assert len(found) <= about + 1
    assert all(low - 1e-6 * width <= tick <= low + 1.000001 * width for tick in found)
    if len(found) > 1:
        step = found[1] - found[0]
        assert np.diff(found) == pytest.approx(step, rel=1e-4)
        assert f"{step:.0e}"[0] in "125"


points = st.lists(st.tuples(st.floats(60, 600), st.floats(20, 290)), min_size=1, max_size=4)


@given(points)
def test_few_labels_stay_inside(at: list[tuple[float, float]]) -> None:
    within = Box(58, 12, 640, 300)
    for x, y in svg.place(at, ["keda-slo"] * len(at), within):
        assert within.left <= x + 0.1 and x + 8 * svg.LETTER_PX <= within.right + 0.1
        assert within.top - 8 <= y - svg.LINE_PX + 4 and y <= within.bottom + 12


def test_labels_of_points_on_one_spot_do_not_cover_each_other() -> None:
    found = svg.place([(300.0, 150.0)] * 4, ["leadtime", "keda-slo", "dynamo", "hpa"], Box(0, 0, 640, 300))
    boxes = [Box(x, y - 11, x + 8 * svg.LETTER_PX, y + 4) for x, y in found]
    for i, one in enumerate(boxes):
        assert all(one.overlap(other) == 0 for other in boxes[:i])


def test_words_cannot_become_markup() -> None:
    drawn = svg.picture(10, 10, '"<script>', [svg.text(1, 2, "<b>&"), svg.marker("star", 3, 4, "c0")])
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"] == '"<script>'
    assert [child.tag for child in root] == ["text", "path"]


def test_shapes_can_be_told_apart() -> None:
    assert len(set(svg.SHAPES.values())) == len(svg.SHAPES) >= 10
    assert all(re.fullmatch(r"[MLHVAZ0-9.,\- ]+", data) for data in svg.SHAPES.values())
