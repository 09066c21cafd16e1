"""The Cost page: what it says, that gaps stay gaps, and that nothing breaks in any state."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.console import cost, cost_charts
from app.reports import build
from app.reports.books import Books
from tests.app.console.fake_api import World
from tests.app.console.test_pages import words
from tests.app.reports.conftest import DAYS, START_S, books

__all__ = ["books"]

Open = Callable[..., AppTest]
END_S = START_S + 86400.0 * DAYS


@pytest.mark.parametrize("mode", ["normal", "empty", "error"])
def test_the_page_stands_in_every_state(open_page: Open, world: World, mode: str) -> None:
    world.mode = mode
    at = open_page("cost")
    assert not at.exception
    assert "Leadtime" in words(at)


def test_it_says_what_the_span_cost_and_names_every_figure(open_page: Open) -> None:
    at = open_page("cost")
    labels = [metric.label for metric in at.metric]
    for name in ("Marginal", "Serving", "Fully loaded"):
        assert f"{name} \\$ / 1M" in labels
    assert "Waste share" in labels and "Budget fleet" in labels
    assert "per million tokens fully loaded" in words(at)
    assert "Choose a service" in words(at)


def test_one_service_has_savings(open_page: Open) -> None:
    at = open_page("cost", of="chat-70b", span="30 d")
    assert not at.exception
    frames = [frame.value for frame in at.dataframe]
    assert any("would_cost" in frame.columns for frame in frames)


def test_the_fleet_s_savings_are_played_when_asked_for(open_page: Open) -> None:
    at = open_page("cost", span="30 d")
    assert not any("would_cost" in frame.value.columns for frame in at.dataframe)
    at.button(key="play-all").click().run()
    assert not at.exception
    assert any("would_cost" in frame.value.columns for frame in at.dataframe)


def test_before_anything_was_metered_it_says_so(open_page: Open, world: World) -> None:
    world.mode = "young"
    assert "Nothing metered in this span yet" in words(open_page("cost"))


def test_parts_of_every_stretch_sum_to_the_cost(books: Books) -> None:
    made = books.statement(START_S, END_S)
    series = build.series_view(books, made, 24)
    frame = cost.series_frame(series)
    per_hour = frame[list(cost.PART_WORDS.values())].sum(axis=1)
    assert float(per_hour.sum()) * series.step_s / 3600 == pytest.approx(made.lines.total_nano / 1e9)
    assert (frame["dearest hour"] >= per_hour - 1e-9).all()


def test_a_hole_is_a_gap_in_the_line(books: Books) -> None:
    series = build.series_view(books, books.statement(START_S, END_S), 10_000)
    holed = series.model_copy(update={"points": [*series.points[:5], *series.points[9:]]})
    frame = cost.series_frame(holed)
    assert frame["in rotation"].isna().sum() == 1


def test_charts_draw_only_parts_that_cost_anything(books: Books) -> None:
    frame = cost.series_frame(build.series_view(books, books.statement(START_S, END_S), 24))
    parts = cost.used_parts(frame)
    assert parts == ["in rotation", "standby", "unused commitments"]
    spec = cost_charts.spent(frame, parts, step_s=7200).to_dict()
    assert spec["layer"][0]["transform"][0]["fold"] == parts


def test_what_is_not_known_is_a_dash_and_no_zero(books: Books) -> None:
    assert cost.per_million(None) == "–"
    view = build.cost_view(books, books.statement(START_S - 86400, START_S))
    assert cost.headline(view) == "Nothing was metered in this span"
    [pool, *_] = build.cost_view(books, books.statement(START_S, END_S)).pools
    assert cost.line_row(pool)["million_tokens"] is None


def test_gpus_are_told_with_their_quota(books: Books) -> None:
    line = next(one for one in build.capacity_views(books, books.statement(START_S, END_S)) if one.gpu == "H100")
    assert "the quota of 12" in cost.gpu_words(line)
    frame = cost.gpu_frame(line)
    assert frame["quota"].dropna().unique().tolist() == [12.0]
    assert "quota" in str(cost_charts.gpus(frame).to_dict())


def test_the_last_stretch_is_drawn_to_its_end() -> None:
    times = pd.to_datetime([0, 3600, 7200], unit="s", utc=True)
    frame = pd.DataFrame({"time": times, "in rotation": [4.0, float("nan"), 80.0]})
    drawn = cost_charts.closed(frame, 3600)
    assert drawn["in rotation"].fillna(-1).tolist() == [4.0, 4.0, -1.0, 80.0, 80.0]
    assert (drawn["time"].iloc[-1] - times[2]).total_seconds() == pytest.approx(3600, abs=0.01)
