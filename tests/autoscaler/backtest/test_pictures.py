"""The pictures show every policy, with one look each, where its numbers say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from autoscaler.backtest import pictures
from autoscaler.backtest.case import offered_load
from autoscaler.backtest.pictures import filled, looks, nines, panels, scatter, short_share
from autoscaler.backtest.run import Result
from tests.autoscaler.backtest.cases import case, requests, trace
from tests.autoscaler.backtest.rows import result

CASE = case()
RESULTS = [
    result("leadtime", 80.0, 0.995),
    result("hpa", 100.0, 0.992),
    result("oracle", 50.0, 0.999),
    result("mean", 40.0, 0.7),
]


def shapes(picture: str) -> list[tuple[str, float, float]]:
    """(class, x, y) of every marker."""
    found = re.findall(r'transform="translate\(([-\d.]+),([-\d.]+)\)" class="mark ([^"]+)"', picture)
    return [(css, float(x), float(y)) for x, y, css in found]


def words(picture: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(picture).iter("text")]


def test_every_policy_has_a_shape_of_its_own_and_ours_is_always_the_same() -> None:
    chosen = looks([result(name) for name in ("hpa", "leadtime", "keda", "oracle@0.99", "wva", "knative", "dynamo")])
    assert len({look.shape for look in chosen}) == len({look.colour for look in chosen}) == 7
    assert chosen[1] == looks([result("leadtime")])[0]
    assert chosen[3] == looks([result("oracle")])[0]


def test_the_area_is_the_replicas_that_the_load_fills() -> None:
    assert filled(CASE) * CASE.rho().value == pytest.approx(offered_load(CASE.pool, CASE.trace, 60.0))


def test_short_is_the_share_of_minutes_that_begin_below_the_area() -> None:
    timeline = [(60.0 * i, serving, serving) for i, serving in ((1, 2), (2, 1), (3, 2), (4, 1), (9, 0))]
    load = np.array([9.0, 1.5, 1.5, 1.5, 0.5])
    assert short_share(result("hpa", timeline=timeline), load) == 1 / 4
    assert short_share(result("hpa", timeline=[]), load) is None


def test_one_panel_a_policy_all_on_the_same_axes() -> None:
    drawn = panels(RESULTS, CASE)
    assert len(drawn) == 4
    assert len({re.search(r'<path d="([^"]+)" class="load"', panel)[1] for panel in drawn}) == 1  # type: ignore[index]
    assert [words(panel) for panel in drawn] == [words(drawn[0])] * 4
    assert words(drawn[0])[0] == "0" and "10 min" in words(drawn[0])


def test_a_panels_line_starts_at_its_first_sample_and_steps() -> None:
    frame = pictures._frame(RESULTS, filled(CASE))
    panel = panels([result("hpa", timeline=[(60.0, 1, 1), (120.0, 1, 1), (180.0, 2, 2)])], CASE)[0]
    line = re.search(r'<path d="M([\d.]+),([\d.]+)H([\d.]+)V([\d.]+)" class="line c1"', panel)
    assert line is not None
    assert float(line[1]) == pytest.approx(frame.x(60.0), abs=0.06)
    assert float(line[3]) == pytest.approx(frame.x(180.0), abs=0.06)
    assert float(line[2]) > float(line[4])


def test_a_long_line_has_no_more_points_than_can_be_seen() -> None:
    restless = [(60.0 * i, i * 7919 % 13, 5) for i in range(1, 20_000)]
    panel = panels([result("hpa", timeline=restless)], CASE)[0]
    line = re.search(r'd="([^"]+)" class="line', panel)
    assert line is not None and 500 < line[1].count("H") < 1500


def test_cheaper_is_further_left_and_fewer_misses_are_further_up() -> None:
    ours, hpa, oracle, mean = shapes(scatter(RESULTS, CASE, 640))
    assert mean[1] < oracle[1] < ours[1] < hpa[1]
    assert oracle[2] < ours[2] < hpa[2] < mean[2]


def test_every_point_is_labelled_and_the_promise_is_drawn() -> None:
    told = words(scatter(RESULTS, CASE, 380))
    assert {"leadtime", "hpa", "oracle (knows the load)", "mean", "promised", "99 %"} <= set(told)


def test_the_oracle_bounds_a_corner_and_without_it_there_is_none() -> None:
    assert scatter(RESULTS, CASE, 640).count('class="beyond"') == 1
    assert 'class="beyond"' not in scatter(RESULTS[:2], CASE, 640)


def test_who_had_no_requests_has_no_point() -> None:
    assert len(shapes(scatter([*RESULTS, result("idle", 5.0, None)], CASE, 640))) == 4
    assert shapes(scatter([result("idle", 5.0, None)], CASE, 640)) == []


@pytest.mark.parametrize("same", [[result("hpa", 0.0, 1.0)], [result("hpa"), result("keda")]])
def test_points_that_are_all_alike_still_have_axes(same: list[Result]) -> None:
    points = shapes(scatter(same, CASE, 640))
    assert all(58 <= x < 640 and 12 <= y < 300 for _, x, y in points)


def test_a_trace_of_a_second_has_a_panel() -> None:
    short = case(requests((0.0, 100, 10)))
    assert "load" in panels([result("hpa", timeline=[])], short)[0]


def test_nines_grow_by_equal_steps() -> None:
    assert [nines(a) for a in (0.9, 0.99, 0.999)] == pytest.approx([1, 2, 3])
    assert nines(1.0) == nines(0.999999) == pictures.MOST_NINES


def test_a_week_is_told_in_days() -> None:
    week = case(trace(7 * 86400.0, rps=0.01))
    assert [text for text in words(panels(RESULTS, week)[0]) if text.endswith("d")] == ["2 d", "4 d", "6 d"]
