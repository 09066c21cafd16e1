"""The Cost page's charts: frame in, Altair chart out, with the habits of ``charts``.

Parts of a cost keep their colour and their place in the stack on every chart, and stand in the legend in that order.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from app.console import charts
from app.console.charts import BLUE, DASHED, DOTTED, GREEN, GREY, ORANGE, PURPLE, RED, SKY, SOLID

PARTS = {
    "in rotation": GREEN,
    "standby": SKY,
    "asleep": PURPLE,
    "warm nodes": BLUE,
    "starting, draining, broken": ORANGE,
    "idle in racks": "#c9a227",
    "unused commitments": RED,
    "platform": GREY,
}
DEAREST = "dearest hour"
HOUR_S = 3600
BAR_PX, FRAME_PX = 30, 100
"""Height of a bar with its gap, and of legend and axis together."""
PRICES = {"fully loaded": (ORANGE, SOLID), "serving": (BLUE, DASHED), "marginal": (GREEN, DOTTED)}


def closed(frame: pd.DataFrame, step_s: int) -> pd.DataFrame:
    """Every stretch with its end: a step lasts until the next row, and the last one before a gap has none."""
    known = frame.drop(columns="time").notna().any(axis=1)
    ends = frame[known & ~known.shift(-1, fill_value=False)]
    # A millisecond before a gap that begins there, for what is stacked must not stand twice at one time.
    ends = ends.assign(time=ends["time"] + pd.Timedelta(seconds=step_s, milliseconds=-1))
    return pd.concat([frame, ends]).sort_values("time", kind="stable", ignore_index=True)


def spent(frame: pd.DataFrame, parts: Sequence[str], step_s: int) -> alt.LayerChart:
    """Dollars per hour by part, stacked; of longer stretches the dearest hour as a line, so that spikes stay."""
    hourly = step_s == HOUR_S
    styles = {part: (PARTS[part], SOLID) for part in parts} | ({} if hourly else {DEAREST: (RED, DASHED)})
    colour, _ = charts.styled(styles, symbol="square")
    order = f"indexof({list(parts)}, datum.series)"
    areas = (
        alt.Chart()
        .transform_fold(list(parts), as_=["series", "value"])
        .transform_calculate(order=order)
        .mark_area(interpolate="step-after", opacity=0.8)
        .encode(charts.time_axis(), alt.Y("value:Q", stack="zero", title="$ per hour"), colour, alt.Order("order:Q"))
    )
    line = charts.named(DEAREST).mark_line(interpolate="step-after", strokeDash=DASHED, strokeWidth=1)
    lines = [] if hourly else [line.encode(charts.time_axis(), alt.Y(f"{DEAREST}:Q"), colour)]
    tips = {name: name for name in (*parts, DEAREST)}
    return charts.finished(closed(frame, step_s), [areas, *lines, charts.hover(tips, 2)])


def prices(frame: pd.DataFrame) -> alt.LayerChart:
    """The three prices per million tokens over time."""
    y = alt.Y(title="$ per 1M tokens", axis=alt.Axis(tickCount=5))
    return charts.line_chart(frame, {name: name for name in PRICES}, PRICES, y, digits=3)


def by_name(frame: pd.DataFrame, parts: Sequence[str]) -> alt.LayerChart:
    """Bars by name, the dearest first, stacked by part."""
    colour, _ = charts.styled({part: (PARTS[part], SOLID) for part in parts}, symbol="square")
    order = f"indexof({list(parts)}, datum.series)"
    bars = (
        alt.Chart()
        .transform_fold(list(parts), as_=["series", "value"])
        .transform_calculate(order=order)
        .mark_bar()
        .encode(
            alt.X("value:Q", stack="zero", title="$", axis=alt.Axis(tickCount=6)),
            alt.Y("name:N", sort=list(frame["name"]), title=None, axis=alt.Axis(labelLimit=220)),
            colour,
            alt.Order("order:Q"),
            [
                alt.Tooltip("name:N", title=""),
                alt.Tooltip("series:N", title="for"),
                alt.Tooltip("value:Q", title="$", format=",.2f"),
            ],
        )
    )
    return charts.finished(frame, [bars], height=BAR_PX * len(frame) + FRAME_PX)


def gpus(frame: pd.DataFrame) -> alt.LayerChart:
    """GPUs held and, where they are known, the coming days with their band, and the quota."""
    quota, ahead = frame["quota"].notna().any(), frame["p50"].notna().any()
    styles = {"held": (GREEN, SOLID)}
    styles |= {"highest hour, P50": (BLUE, DASHED), "P10 to P90": (BLUE, SOLID)} if ahead else {}
    styles |= {"quota": (RED, DASHED)} if quota else {}
    colour, dash = charts.styled(styles)
    x = charts.time_axis()
    coming = [
        charts.named("P10 to P90").mark_area(opacity=0.2).encode(x, alt.Y("p10:Q"), alt.Y2("p90"), colour),
        charts.named("highest hour, P50").mark_line().encode(x, alt.Y("p50:Q"), colour, dash),
    ]
    layers = [
        *(coming if ahead else []),
        charts.named("held").mark_line().encode(x, alt.Y("held:Q", title="GPUs"), colour, dash),
        *([charts.named("quota").mark_line().encode(x, alt.Y("quota:Q"), colour, dash)] if quota else []),
        charts.hover({"held": "held", "p10": "P10", "p50": "P50", "p90": "P90", "quota": "quota"}, 1),
    ]
    return charts.finished(frame, layers)
