"""The forecasts page's charts: one data set each, UTC, and nothing told by colour alone."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import pytest

from app.api.schemas.services import Series
from app.console import forecast_charts, forecasts, frames
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_fleet import SERVICES, signal
from tests.app.console.fake_forecasts import accuracy, latest

NAMES = ["fan", "hindsight", "calibration", "experts"]


def drawn(now_s: float = NOW_S) -> dict[str, alt.LayerChart]:
    """Every chart of the page."""
    service = SERVICES[1]
    told = accuracy(service, now_s, 86400, None)
    points = [(t, signal(service, "offered_erlangs", t)) for t in range(int(now_s) - 900, int(now_s), 15)]
    series = Series(service="s", start_s=0, end_s=1, step_s=15, signals={"offered_erlangs": points})
    history = frames.wide(series, ("offered_erlangs",))
    return {
        "fan": forecast_charts.fan(history, frames.fan(latest(service, now_s), 1.0)),
        "hindsight": forecast_charts.hindsight(forecasts.outcome_frame(told)),
        "calibration": forecast_charts.calibration(forecasts.calibration_frame(told)),
        "experts": forecast_charts.experts(forecasts.weight_frame(told)),
    }


def spec(chart: alt.LayerChart) -> dict[str, Any]:
    """The specification without its data and Altair's running names."""
    found: dict[str, Any] = json.loads(chart.to_json())
    for name in ("datasets", "data"):
        found.pop(name)
    for part in (*found.get("params", []), *found["layer"]):
        part.pop("views", None)
        part.pop("name", None)
    return found


@pytest.fixture(scope="module")
def charts() -> dict[str, alt.LayerChart]:
    return drawn()


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_reads_one_data_set_so_that_a_refresh_keeps_it(charts: dict[str, alt.LayerChart], name: str) -> None:
    assert len(json.loads(charts[name].to_json())["datasets"]) == 1
    assert spec(charts[name]) == spec(drawn(NOW_S + 600)[name])


@pytest.mark.parametrize("name", ["fan", "hindsight", "experts"])
def test_time_is_utc(charts: dict[str, alt.LayerChart], name: str) -> None:
    assert all(x["encoding"]["x"]["scale"]["type"] == "utc" for x in spec(charts[name])["layer"])


def test_a_miss_is_a_triangle(charts: dict[str, alt.LayerChart]) -> None:
    marks = [x["mark"] for x in spec(charts["hindsight"])["layer"]]
    assert [mark["shape"] for mark in marks if mark["type"] == "point"] == ["triangle-up"]


def test_every_verdict_has_a_shape_of_its_own(charts: dict[str, alt.LayerChart]) -> None:
    (points,) = (x for x in spec(charts["calibration"])["layer"] if x["mark"]["type"] == "point")
    scale = points["encoding"]["shape"]["scale"]
    assert scale["domain"] == list(forecasts.VERDICTS)
    assert len(set(scale["range"])) == len(scale["domain"])


def test_gaps_reach_the_chart_as_null(charts: dict[str, alt.LayerChart]) -> None:
    (points,) = json.loads(charts["hindsight"].to_json())["datasets"].values()
    gaps = [point for point in points if point["window"] == "gap"]
    assert gaps and all(point["came"] is None and point["p95"] > 0 for point in gaps)


def test_experts_have_colours_in_the_order_of_their_joining() -> None:
    colours = forecast_charts.parts([str(i) for i in range(9)])
    assert len({colour for _, colour in colours.values()}) == 7
