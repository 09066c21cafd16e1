"""Turns of the wanted number over all services, as a chart, its table, and the words that choose one of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from app.api.timeline import Timeline, Turn
from app.console import charts, format
from app.console.waterfall import FAMILIES, family

LANE_PX = 34
ROOM_PX = 9
"""Width of a digit with its share of the margin; a bar that is too narrow for its number tells it when pointed at."""
FITS = f"scale('x', datum.until) - scale('x', datum.time) > {ROOM_PX} * (length('' + datum.wanted) + 0.5) ? 1 : 0"
"""Whether a number is shown, on whatever screen the chart is drawn."""
FRAME_PX = 90
"""What legend and axis take of a chart's height."""


def chosen(turns: Sequence[Turn], service: str | None, binding: str | None) -> list[Turn]:
    """Turns of a service and of what decided; None is all."""
    return [
        turn
        for turn in turns
        if (service is None or turn.service == service) and (binding is None or turn.binding == binding)
    ]


def frame(turns: Sequence[Turn]) -> pd.DataFrame:
    """One line per turn, newest first: the chart's data, and its table."""
    rows = [
        {
            "service": turn.service,
            "time": format.moment(turn.at_s),
            "until": format.moment(turn.until_s),
            "in rotation": turn.current_active,
            "wanted": turn.desired_active,
            "decided by": turn.binding,
            "family": FAMILIES[family(turn.binding)][0],
            "applied": "applied" if turn.applied else f"not applied ({turn.mode})",
            "sentence": turn.sentence,
        }
        for turn in turns
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["service", "time"])


def chart(turns: Sequence[Turn], marked_s: float | None) -> alt.LayerChart:
    """A lane per service: how many were wanted from when to when, coloured and named by what decided.

    ``marked_s`` is the decision that is looked at, a rule through all lanes.
    """
    data = frame(turns)
    known = [name for name, _ in FAMILIES.values() if name in set(data["family"])]
    colours = dict(FAMILIES.values())
    colour = alt.Color(
        "family:N",
        scale=alt.Scale(domain=known, range=[colours[name] for name in known]),
        legend=charts.legend(3, "square", stroke_px=0),
    )
    tips = [alt.Tooltip("utcyearmonthdatehoursminutesseconds(time):T", title="UTC", format="%d %b %H:%M:%S")]
    tips += [alt.Tooltip(f"{name}:N") for name in ("service", "in rotation", "wanted", "decided by", "sentence")]
    base = alt.Chart().encode(
        y=alt.Y("service:N", title=None, axis=alt.Axis(labelLimit=140, labelOverlap=False)), tooltip=tips
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(0.75), opacity=1, stroke="#8a949e", strokeWidth=0.5)
    words = base.mark_text(
        align="left", dx=3, fontSize=11, fontWeight="bold", clip=True, color="#10161c", opacity=alt.expr(FITS)
    )
    layers = [
        bars.encode(charts.time_axis(), alt.X2("until:T"), colour),
        words.encode(charts.time_axis(), alt.Text("wanted:Q")),
    ]
    if marked_s is not None:
        at = alt.Chart(pd.DataFrame({"time": [format.moment(marked_s)]}))
        layers.append(at.mark_rule(color=charts.RED, strokeWidth=2).encode(charts.time_axis()))
    return charts.finished(data, layers, height=LANE_PX * max(1, data["service"].nunique()) + FRAME_PX)


def label(turn: Turn) -> str:
    """One turn in the selector."""
    move = f"{turn.current_active} → {turn.desired_active}"
    return f"{format.stamp(turn.at_s)[5:]} · {turn.service} · {move} · {turn.binding}"


def nearest(turns: Sequence[Turn], at_s: float | None) -> int:
    """Which turn (newest first) was in force at a time: the first at or before it; the newest where none is given."""
    if at_s is None:
        return 0
    return next((i for i, turn in enumerate(turns) if turn.at_s <= at_s + 0.5), len(turns) - 1)


def finding(found: Timeline, turns: Sequence[Turn]) -> str:
    """How often the number turned, and what decided most often."""
    if not turns:
        return "nothing turned"
    bindings = pd.Series([turn.binding for turn in turns]).value_counts()
    times = "once" if len(turns) == 1 else f"{len(turns)} times"
    text = f"turned {times}, most often by {bindings.index[0]} ({bindings.iloc[0]})"
    return text + (f"; {found.left_off} earlier turns are left off" if found.left_off else "")


def moment_of(text: str | None) -> float | None:
    """``?at=`` as UTC seconds: epoch seconds or an ISO time; None for what is neither."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = pd.Timestamp(text)
    except ValueError:
        return None
    return None if pd.isna(at) else float((at if at.tzinfo else at.tz_localize("UTC")).timestamp())
