"""The charts of the forecasts page, in the console's manner (see ``charts``): fan, hindsight, calibration, experts.

A miss is a triangle and a verdict has a shape of its own, so that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from app.console import charts
from app.console.charts import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, RED, SKY, SOLID
from app.console.forecasts import KEPT, NARROW, UNKNOWN, WIDE

BAND = charts.FORECAST
FAN = {"Offered": (BLUE, SOLID), BAND: (ORANGE, [4, 3])}
CAME, MISS = "Came", "▲ above P95"
HINDSIGHT = {CAME: (BLUE, SOLID), BAND: (ORANGE, [4, 3]), MISS: (RED, SOLID)}
TELLING = {"p50": "forecast P50", "p95": "forecast P95", "p99": "forecast P99"}

SHAPES = {
    KEPT: (GREEN, "circle"),
    NARROW: (RED, "triangle-down"),
    WIDE: (PURPLE, "triangle-up"),
    UNKNOWN: (GREY, "cross"),
}

EXPERT_COLOURS = (GREY, SKY, PURPLE, GREEN, ORANGE, BLUE, RED)

POINTS = alt.Axis(tickCount=5, format="~f", labelExpr="datum.value > 0 ? '+' + datum.label : datum.label")
"""Percentage points with their sign."""


def fan(history: pd.DataFrame, ahead: pd.DataFrame) -> alt.LayerChart:
    """The load (``time``, ``offered_erlangs``) and, ahead of it, ``frames.fan``, in erlangs."""
    frame = pd.concat([history, ahead], ignore_index=True)
    colour, dash = charts.styled(FAN)
    load, _ = map(charts.named, FAN)
    line = load.mark_line().encode(charts.time_axis(), erlangs("offered_erlangs"), colour, dash)
    tips = {"offered_erlangs": "offered", **TELLING}
    return charts.finished(frame, [*band(FAN), line, charts.hover(tips)], height=charts.HEIGHT + 50)


def hindsight(outcomes: pd.DataFrame) -> alt.LayerChart:
    """``forecasts.outcome_frame``: the band as it was told, and what came at the end of its window."""
    colour, dash = charts.styled(HINDSIGHT)
    came, _, miss = map(charts.named, HINDSIGHT)
    x = charts.time_axis()
    line = came.mark_line().encode(x, erlangs("came"), colour, dash)
    points = miss.mark_point(shape="triangle-up", filled=True, size=70, opacity=1).encode(x, erlangs("missed"), colour)
    tips = {"came": "came", **TELLING}
    return charts.finished(outcomes, [*band(HINDSIGHT), line, points, charts.hover(tips)], height=charts.HEIGHT + 50)


def band(styles: charts.Styles) -> list[alt.Chart]:
    """P50 to P95 as an area with an edge, P99 faint above it."""
    colour, dash = charts.styled(styles)
    layer, x = charts.named(BAND), charts.time_axis()
    return [
        layer.mark_area(opacity=0.12).encode(x, erlangs("p50"), alt.Y2("p99"), colour),
        layer.mark_area(opacity=0.3).encode(x, erlangs("p50"), alt.Y2("p95"), colour),
        layer.mark_line().encode(x, erlangs("p95"), colour, dash),
    ]


def erlangs(column: str) -> alt.Y:
    """A column on the axis in erlangs."""
    return alt.Y(f"{column}:Q", title="erlangs", axis=alt.Axis(tickCount=5))


def calibration(table: pd.DataFrame) -> alt.LayerChart:
    """``forecasts.calibration_frame``: points by which each quantile missed its promise, in the range of chance."""
    kept = "datum.quantile + (isValid(datum.kept) ? '  ' + format(datum.kept, '.1f') + ' %' : '')"
    # By what was promised and not as the data comes: a refresh keeps labels that stay in front of those that change.
    order = alt.EncodingSortField("promised", op="min", order="ascending")
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=0, ticks=False))
    base = alt.Chart().transform_calculate(label=kept).encode(y=y)
    x = alt.X("off:Q", title="points off the promise", axis=POINTS, scale=alt.Scale(padding=14))
    colours, shapes = (alt.Scale(domain=list(SHAPES), range=[look[i] for look in SHAPES.values()]) for i in (0, 1))
    key = alt.Legend(
        orient="top", title=None, columns=2, labelLimit=0, symbolOpacity=1, offset=charts.LEGEND_OFFSET, padding=0
    )
    tips = [alt.Tooltip(f"{name}:N") for name in ("quantile", "verdict")]
    tips += [alt.Tooltip(f"{name}:Q", format=",.1~f") for name in ("promised", "kept", "windows", "missed")]
    layers = [
        base.mark_bar(color=GREY, opacity=0.3, height=alt.RelativeBandSize(0.55)).encode(
            alt.X("low:Q"), alt.X2("high")
        ),
        alt.Chart().mark_rule(color=GREY, strokeDash=DASHED).encode(x=alt.datum(0)),
        base.mark_point(filled=True, size=130, opacity=1).encode(
            x,
            color=alt.Color("verdict:N", scale=colours, legend=key),
            shape=alt.Shape("verdict:N", scale=shapes, legend=key),
            tooltip=tips,
        ),
    ]
    return charts.finished(table, layers, height=charts.HEIGHT + 50)


def experts(shares: pd.DataFrame) -> alt.LayerChart:
    """``forecasts.weight_frame``: the experts' shares on top of each other."""
    names = list(shares.columns.drop("time"))
    return charts.stacked(shares, parts(names), "share", axis=charts.SHARE, digits=2, height=charts.HEIGHT + 50)


def parts(names: Sequence[str]) -> charts.Parts:
    """A colour for each expert, in the order of its joining."""
    return {name: (name, EXPERT_COLOURS[i % len(EXPERT_COLOURS)]) for i, name in enumerate(names)}
