"""What a draft would have come to on the recorded past, in words, a table and a chart. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from app.api.impact import ImpactSide, ImpactView
from app.console import charts, format
from app.console.charts import BLUE, DASHED, ORANGE, SOLID

SPANS = {"Last 24 h": "24h", "Last 7 d": "7d"}
IN_FORCE, DRAFT = "In force", "Draft"
STYLES = {IN_FORCE: (BLUE, SOLID), DRAFT: (ORANGE, DASHED)}
NOTABLE = 0.0005
"""A difference in attainment below this is none."""


def signed(value: float, text: Callable[[float], str]) -> str:
    """A difference with its sign; nothing to tell is ``±``."""
    shown = text(abs(value))
    return f"± {shown}" if shown == text(0.0) else f"{'+' if value > 0 else '−'} {shown}"


def dollars(value: float) -> str:
    """Dollars."""
    return format.usd(value)


def hours(value: float) -> str:
    """GPU-hours."""
    return f"{format.number(value, 1)} GPU-hours"


def points(value: float) -> str:
    """Percentage points of attainment."""
    return f"{format.number(100 * value, 2)} points"


def headline(found: ImpactView) -> str:
    """The three differences in one line."""
    span = format.duration(found.end_s - found.start_s)
    told = [signed(found.delta_usd, dollars), signed(found.delta_gpu_hours, hours)]
    if found.delta_attainment is not None:
        told.append(f"{signed(found.delta_attainment, points)} of attainment")
    return f"Over {span}: {', '.join(told)}."


def verdict(found: ImpactView) -> tuple[str, str]:
    """What that means, in a word or two, with its icon."""
    worse = found.delta_attainment is not None and found.delta_attainment < -NOTABLE
    better = found.delta_attainment is not None and found.delta_attainment > NOTABLE
    cheaper, dearer = found.delta_usd < -0.005, found.delta_usd > 0.005
    if worse:
        return ("Cheaper, and later" if cheaper else "Later, and no cheaper", ":material/warning:")
    if better:
        return ("More in time, for more" if dearer else "More in time, for no more", ":material/trending_up:")
    if cheaper:
        return ("Cheaper, and as much in time", ":material/savings:")
    return ("Dearer, and no more in time" if dearer else "No difference on this past", ":material/info:")


def late_words(found: ImpactView) -> str:
    """How many requests more or fewer would have been late."""
    count = abs(found.delta_late)
    if count < 0.5:
        return "As many requests in time."
    return f"About {format.number(count, 0)} {'more' if found.delta_late > 0 else 'fewer'} requests late of " + (
        f"{format.number(found.requests, 0)}."
    )


def table(found: ImpactView) -> pd.DataFrame:
    """Both policies and the difference, one figure a line."""

    def line(name: str, value: Callable[[ImpactSide], float | None], text: Callable[[float], str]) -> dict[str, str]:
        now, then = value(found.current), value(found.draft)
        told = format.DASH if now is None or then is None else signed(then - now, text)
        both = [format.DASH if one is None else text(one) for one in (now, then)]
        return {"": name, IN_FORCE: both[0], DRAFT: both[1], "Difference": told}

    def plain(value: float) -> str:
        return format.number(value, 1)

    return pd.DataFrame(
        [
            line("Cost", lambda side: side.cost_usd, dollars),
            line("GPU-hours", lambda side: side.gpu_hours, plain),
            line("Attainment, estimated, %", lambda s: None if s.attainment is None else 100 * s.attainment, percent),
            line("Mean replicas in rotation", lambda side: side.mean_active, plain),
            line("Most in rotation", lambda side: side.peak_active, plain),
            line("Scale-outs", lambda side: side.scale_outs, plain),
            line("Scale-ins", lambda side: side.scale_ins, plain),
        ]
    )


def percent(value: float) -> str:
    """Per cent to two places."""
    return format.number(value, 2)


def frame(found: ImpactView) -> pd.DataFrame:
    """Replicas wanted over time: ``time`` and a column for each policy."""
    columns = {IN_FORCE: dict(found.wanted_current), DRAFT: dict(found.wanted_draft)}
    times = sorted({at_s for points in columns.values() for at_s in points})
    made = pd.DataFrame({"time": pd.to_datetime(pd.Series(times, dtype=float), unit="s", utc=True)})
    for name, told in columns.items():
        made[name] = pd.Series([told.get(at_s) for at_s in times], dtype=float)
    return made.ffill()


def chart(found: ImpactView) -> alt.LayerChart:
    """What each would have wanted, over the load as it was."""
    y = alt.Y(title="replicas wanted", axis=charts.WHOLE)
    return charts.line_chart(frame(found), {name: name for name in STYLES}, STYLES, y, digits=0)


def question(policy: dict[str, Any], span: str) -> dict[str, Any]:
    """The body of the request."""
    return {"policy": policy, "span": SPANS[span]}
