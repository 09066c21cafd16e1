"""The console's charts: frame in, Altair chart out.

Every colour means one thing on every page, and never alone: series also differ in dash, shape or a label on the line.
Specifications depend on the frame's values only through its data, so a live refresh moves the marks and keeps the
chart. Missing values break lines and areas; nothing is drawn where nothing is known. Axes are in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

BLUE, ORANGE, GREEN, SKY, PURPLE, RED, GREY = (
    "#2a8fd0",
    "#e69f00",
    "#0fa37f",
    "#56b4e9",
    "#b07cc6",
    "#dc5a1e",
    "#8a949e",
)

FAINT = "#8a949e66"
"""For what is there and does nothing: most of an idle fleet must not outshine the part that works."""

Parts = Mapping[str, tuple[str, str]]
Styles = Mapping[str, tuple[str, list[int]]]
SOLID, DASHED, DOTTED, LONG = [1, 0], [6, 3], [2, 2], [14, 4]

FORECAST = "Forecast P50–P95"
DEMAND = {
    "Offered": (BLUE, SOLID),
    FORECAST: (ORANGE, [4, 3]),
    "Capacity": (GREEN, [8, 3]),
    "With standby": (SKY, SOLID),
}
DEMAND_TIPS = {
    "offered_erlangs": "offered",
    "any_p50": "forecast P50",
    "any_p95": "forecast P95",
    "capacity_erlangs": "capacity",
    "ready_erlangs": "with standby",
}
REPLICAS: Parts = {
    "replicas_active": ("active", GREEN),
    "replicas_standby": ("standby", SKY),
    "replicas_asleep": ("asleep", PURPLE),
    "replicas_launching": ("launching", ORANGE),
    "replicas_draining": ("draining", GREY),
}
GPUS: Parts = {
    "gpus_busy": ("busy", GREEN),
    "gpus_idle_held": ("held, doing nothing", ORANGE),
    "gpus_idle": ("idle", FAINT),
}
QUANTILES = {"p50": ("P50", BLUE, SOLID), "p90": ("P90", PURPLE, DASHED), "p99": ("P99", GREY, DOTTED)}
TARGET = {"Target": (RED, LONG)}
"""What is promised, on every chart that has it."""

TIME_LABEL = (
    "utcFormat(datum.value, datum.value % 86400000 == 0 ? '%d %b' : datum.value % 60000 == 0 ? '%H:%M' : '%H:%M:%S')"
)
"""Axis labels: the date at midnight, else the time of day, UTC; with seconds where labels are closer than minutes."""

HEIGHT = 210
"""Height of a chart, px, legend and axis included."""
LEGEND_OFFSET = 8
"""Between a legend and its plot, px."""


def demand(history: pd.DataFrame, ahead: pd.DataFrame) -> alt.LayerChart:
    """Offered load and its forecast against capacity, in erlangs.

    ``history`` has ``time``, ``offered_erlangs``, ``capacity_erlangs``, ``ready_erlangs``, ``forecast_p50``
    and ``forecast_p95``; ``ahead`` is ``frames.fan``.
    """
    colour, dash = styled(DEMAND)
    frame = pd.concat([history, ahead], ignore_index=True)
    frame["any_p50"] = frame["forecast_p50"].fillna(frame["p50"])
    frame["any_p95"] = frame["forecast_p95"].fillna(frame["p95"])
    load, band, capacity, ready = map(named, DEMAND)
    x, axis = time_axis(), alt.Axis(tickCount=5)
    layers = [
        ready.mark_area(interpolate="step-after", opacity=0.14).encode(x, alt.Y("ready_erlangs:Q"), colour),
        band.mark_area(opacity=0.3).encode(x, alt.Y("forecast_p50:Q"), alt.Y2("forecast_p95"), colour),
        band.mark_area(opacity=0.12).encode(x, alt.Y("p50:Q"), alt.Y2("p99"), colour),
        band.mark_area(opacity=0.3).encode(x, alt.Y("p50:Q"), alt.Y2("p95"), colour),
        band.mark_line().encode(x, alt.Y("p95:Q"), colour, dash),
        capacity.mark_line(interpolate="step-after").encode(x, alt.Y("capacity_erlangs:Q"), colour, dash),
        load.mark_line().encode(x, alt.Y("offered_erlangs:Q", title="erlangs", axis=axis), colour, dash),
        hover(DEMAND_TIPS),
    ]
    return finished(frame, layers, height=HEIGHT + 50)


def quantiles(history: pd.DataFrame, signal: str, target_ms: float) -> alt.LayerChart:
    """P50, P90 and P99 of ``signal`` in ms and the SLO line; ``history`` has ``{signal}_p50_s`` and so on.

    The axis is a root scale: one spike of the P99 must not press everything near the target flat.
    """
    frame = history[["time"]].assign(
        **{label: 1000 * history[f"{signal}_{name}_s"] for name, (label, _, _) in QUANTILES.items()},
        Target=target_ms,
    )
    styles = {label: (colour, dash) for label, colour, dash in QUANTILES.values()} | TARGET
    y = alt.Y(title="ms, root scale", scale=alt.Scale(type="sqrt", zero=True), axis=alt.Axis(tickCount=6))
    return line_chart(frame, {label: label for label in styles}, styles, y, digits=0)


def attainment(history: pd.DataFrame, target: float) -> alt.LayerChart:
    """The share of requests in time (``attainment``) and what is promised; the axis need not begin at zero."""
    frame = history.assign(Target=target)
    styles = {"In time": (BLUE, SOLID)} | TARGET
    y = alt.Y(title="share in time", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, format=".1~%"))
    return line_chart(frame, {"attainment": "In time", "Target": "Target"}, styles, y, digits=4)


def lines(history: pd.DataFrame, signals: Mapping[str, str], unit: str, axis_format: str = "~s") -> alt.LayerChart:
    """Plain lines of up to three signals (column → label) on one axis."""
    styles = dict(zip(signals.values(), ((BLUE, SOLID), (ORANGE, DASHED), (PURPLE, DOTTED)), strict=False))
    y = alt.Y(title=unit, axis=alt.Axis(tickCount=4, format=axis_format))
    return line_chart(history, signals, styles, y, digits=2)


def line_chart(
    frame: pd.DataFrame,
    signals: Mapping[str, str],
    styles: Styles,
    y: alt.Y,
    digits: int,
) -> alt.LayerChart:
    """One line per signal (column → label) on the axis ``y``, each with the colour and dash of its label."""
    colour, dash = styled(styles)
    layers = [
        named(label).mark_line().encode(time_axis(), on(y, column), colour, dash) for column, label in signals.items()
    ]
    return finished(frame, [*layers, hover(signals, digits)])


def on(y: alt.Y, column: str) -> alt.Y:
    """The axis ``y`` showing a column."""
    shown: alt.Y = y.copy(deep=False)
    shown.shorthand = f"{column}:Q"
    return shown


WHOLE = alt.Axis(tickMinStep=1, tickCount=5)
SHARE = alt.Axis(format=".0%", tickCount=5)


def stacked(
    history: pd.DataFrame,
    parts: Parts,
    unit: str,
    wanted: str | None = None,
    axis: alt.Axis = WHOLE,
    digits: int = 0,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Things by state: ``parts`` (column → label and colour) on top of each other, ``wanted`` as a line."""
    labels = {column: label for column, (label, _) in parts.items()}
    frame = history.rename(columns=labels)
    styles = {label: (shade, SOLID) for label, shade in parts.values()} | ({"wanted": (RED, DASHED)} if wanted else {})
    colour, _ = styled(styles, symbol="square")
    order = f"indexof({list(labels.values())}, datum.series)"
    y = alt.Y("value:Q", stack="zero", title=unit, axis=axis)
    areas = (
        alt.Chart()
        .transform_fold(list(labels.values()), as_=["series", "value"])
        .transform_calculate(order=order)
        .mark_area(interpolate="step-after", opacity=0.75)
        .encode(time_axis(), y, colour, alt.Order("order:Q"))
    )
    tips = {label: label for label in labels.values()} | ({wanted: "wanted"} if wanted else {})
    line = named("wanted").mark_line(interpolate="step-after", strokeDash=DASHED)
    lines = [line.encode(time_axis(), alt.Y(f"{wanted}:Q"), colour)] if wanted else []
    return finished(frame, [areas, *lines, hover(tips, digits)], height)


def time_axis() -> alt.X:
    """Time in UTC, few labels."""
    return alt.X(
        "time:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(labelOverlap=True, tickCount=6, grid=False, labelExpr=TIME_LABEL),
    )


def legend(columns: int, symbol: str, stroke_px: int = 3) -> alt.Legend:
    """Above the plot, in rows of ``columns``, so that a narrow screen does not cut it."""
    return alt.Legend(
        orient="top",
        title=None,
        columns=columns,
        labelLimit=0,
        symbolType=symbol,
        symbolStrokeWidth=stroke_px,
        symbolOpacity=1,
        offset=LEGEND_OFFSET,
        padding=0,
    )


def named(name: str) -> alt.Chart:
    """A layer that draws one series, named for the colour scale and the legend."""
    return alt.Chart().transform_calculate(series=f"'{name}'")


def styled(styles: Styles, symbol: str = "stroke") -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dash by series name, in one legend."""
    names = list(styles)
    key = legend(4 if max(map(len, names)) < 8 else 2 if len(names) == 4 else 3, symbol)
    colours = alt.Scale(domain=names, range=[colour for colour, _ in styles.values()])
    dashes = alt.Scale(domain=names, range=[dash for _, dash in styles.values()])
    return (
        alt.Color("series:N", scale=colours, legend=key),
        alt.StrokeDash("series:N", scale=dashes, legend=key),
    )


def hover(columns: Mapping[str, str], digits: int = 2) -> alt.Chart:
    """A rule at the moment nearest to the pointer with all its values; drawn only while pointed at."""
    nearest = alt.selection_point(name="hover", nearest=True, on="pointermove", fields=["time"], empty=False)
    number = f",.{digits}~f" if digits else ",.0f"
    tips = [alt.Tooltip("utcyearmonthdatehoursminutesseconds(time):T", title="UTC", format="%d %b %H:%M:%S")]
    tips += [alt.Tooltip(f"{column}:Q", title=label, format=number) for column, label in columns.items()]
    rules: alt.Chart = (
        alt.Chart()
        .mark_rule(color=GREY, strokeWidth=1.5)
        .encode(time_axis(), opacity=alt.condition(nearest, alt.value(0.8), alt.value(0)), tooltip=tips)
        .add_params(nearest)
    )
    return rules


def finished(frame: pd.DataFrame, layers: Sequence[alt.Chart], height: int = HEIGHT) -> alt.LayerChart:
    """Layers over each other, all of one data set, so that a refresh keeps the chart.

    A screen reader hears the chart's name and reads the table under it, not a thousand nameless marks.
    """
    chart = alt.LayerChart(data=frame, layer=list(layers), height=height, padding={"top": 0, "bottom": 0})
    quiet: alt.LayerChart = chart.configure_mark(aria=False).configure_line(strokeWidth=2)
    return quiet
