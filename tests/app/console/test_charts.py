"""Charts as specifications: what they encode, that gaps break lines, that a refresh changes only data."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from app.console import charts, frames

COLUMNS = [
    "offered_erlangs",
    "capacity_erlangs",
    "ready_erlangs",
    "forecast_p50",
    "forecast_p95",
    *(f"{signal}_{q}_s" for signal in ("ttft", "tpot") for q in charts.QUANTILES),
    *charts.REPLICAS,
    "replicas_desired",
    "waiting",
    "attainment",
]


def history(seed: int, gap: bool = True) -> pd.DataFrame:
    """Ten points of every signal, two of them missing."""
    values = np.random.default_rng(seed).uniform(1, 5, (10, len(COLUMNS)))
    if gap:
        values[4:6] = np.nan
    frame = pd.DataFrame(values, columns=COLUMNS)
    frame.insert(0, "time", pd.date_range("2027-01-15", periods=10, freq="15s", tz="UTC"))
    return frame


def drawn(frame: pd.DataFrame) -> dict[str, alt.LayerChart]:
    """Every chart of one frame."""
    return {
        "demand": charts.demand(frame, frames.fan(None, None)),
        "ttft": charts.quantiles(frame, "ttft", 2000.0),
        "attainment": charts.attainment(frame, 0.99),
        "lines": charts.lines(frame, {"waiting": "waiting"}, "requests"),
        "replicas": charts.stacked(frame, charts.REPLICAS, "replicas", "replicas_desired"),
    }


def spec(chart: alt.LayerChart) -> dict[str, Any]:
    """The specification without its data and Altair's running names."""
    found: dict[str, Any] = json.loads(chart.to_json())
    found.pop("datasets")
    return found


@pytest.mark.parametrize("name", ["demand", "ttft", "attainment", "lines", "replicas"])
def test_a_chart_reads_one_data_set_so_that_a_refresh_keeps_it(name: str) -> None:
    found = json.loads(drawn(history(1))[name].to_json())
    assert len(found["datasets"]) == 1
    assert "data" in found


@pytest.mark.parametrize("name", ["demand", "ttft", "attainment", "lines", "replicas"])
def test_new_values_change_only_the_data(name: str) -> None:
    first, second = (spec(drawn(history(seed))[name]) for seed in (1, 2))
    for found in (first, second):
        found.pop("data")
        for param in found.get("params", []):
            param.pop("views", None)
        for layer in found["layer"]:
            layer.pop("name", None)
    assert first == second


def test_missing_values_reach_the_chart_as_null() -> None:
    found = json.loads(charts.lines(history(1), {"waiting": "waiting"}, "requests").to_json())
    (points,) = found["datasets"].values()
    assert [point["waiting"] is None for point in points] == [False] * 4 + [True] * 2 + [False] * 4


def test_a_frame_of_gaps_still_makes_a_chart() -> None:
    empty = history(1)
    empty[COLUMNS] = np.nan
    for chart in drawn(empty).values():
        chart.to_json()


def test_latencies_are_drawn_in_ms_against_their_target() -> None:
    frame = history(1, gap=False)
    (points,) = json.loads(charts.quantiles(frame, "ttft", 2000.0).to_json())["datasets"].values()
    assert points[0]["P90"] == pytest.approx(1000 * frame["ttft_p90_s"].iloc[0])
    assert {point["Target"] for point in points} == {2000.0}


def test_attainment_is_drawn_against_its_promise_on_an_axis_that_need_not_begin_at_zero() -> None:
    found = json.loads(charts.attainment(history(1), 0.99).to_json())
    (points,) = found["datasets"].values()
    assert {point["Target"] for point in points} == {0.99}
    assert all(layer["encoding"]["y"]["scale"]["zero"] is False for layer in found["layer"] if "y" in layer["encoding"])


def test_series_differ_in_more_than_colour() -> None:
    styles = [tuple(dash) for _, _, dash in charts.QUANTILES.values()] + [tuple(charts.TARGET["Target"][1])]
    assert len(set(styles)) == len(styles)
    layers = spec(charts.demand(history(1), frames.fan(None, None)))["layer"]
    marks = {(x["mark"]["type"], x["encoding"]["y"]["field"]) for x in layers if "y" in x["encoding"]}
    assert ("line", "offered_erlangs") in marks
    assert ("area", "ready_erlangs") in marks


def test_time_is_utc_on_every_axis() -> None:
    for chart in drawn(history(1)).values():
        assert all(x["encoding"]["x"]["scale"]["type"] == "utc" for x in spec(chart)["layer"])
