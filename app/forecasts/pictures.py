"""The page's pictures: fans over the last days, promises against what was kept, losses by horizon.

Pure functions from an evaluation to SVG, made of the backtest page's helpers; colours are classes of the style sheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from app.forecasts import tables
from autoscaler.backtest import svg
from autoscaler.backtest.svg import Scale
from forecasting.evaluation.report import COMBINED, Evaluation
from forecasting.history import Array

FAN_DAYS = 2
WIDE = 1160.0
TALL = 240.0
PANEL = 360.0
ROW = 20.0
LEEWAY = 0.015
"""Distance from what was promised, as a share, that is still drawn as kept."""


# --- fans ------------------------------------------------------------------------------------------------------------


def fan(evaluation: Evaluation, horizon: int) -> str:
    """The combined P50, P95 and P99 of the last days, at the minute that they were about, and what came."""
    told, truth = evaluation.told[COMBINED][:, horizon], evaluation.truth[:, horizon]
    first, every = _shown(evaluation)
    told, truth = told[first::every], truth[first::every]
    minute = evaluation.first + np.arange(first, len(evaluation.truth), every) + evaluation.plan.horizons[horizon]
    days = minute * evaluation.step_s / 86400
    picked = [_tau(evaluation, tau) for tau in (0.5, 0.95, 0.99)]
    most = float(np.nanmax(np.concatenate([told[:, picked[2]], truth, [1e-9]])))
    x = Scale(float(days[0]), float(days[-1]) + 1e-9, 44.0, WIDE - 26)
    y = Scale(0.0, 1.05 * most, TALL - 22, 8.0)
    low, middle, high = (told[:, at] for at in picked)
    parts = [*_time_axis(x, y), *_value_axis(x, y), *_band(days, low, middle, x, y, "band near")]
    parts += [*_band(days, middle, high, x, y, "band far"), *_lines(days, low, x, y, "line c0")]
    parts += _lines(days, truth, x, y, "line truth")
    name = tables.minutes(evaluation)[horizon]
    return svg.picture(WIDE, TALL, f"Forecasts {name} ahead over the last days, and what came", parts)


def _shown(evaluation: Evaluation) -> tuple[int, int]:
    """The first cell of a fan, and of how many one is drawn."""
    cells = round(FAN_DAYS * 86400 / evaluation.step_s)
    return max(0, len(evaluation.truth) - cells), max(1, -(-min(cells, len(evaluation.truth)) // svg.MOST_POINTS))


def _tau(evaluation: Evaluation, tau: float) -> int:
    return int(np.argmin(np.abs(np.array(evaluation.plan.taus) - tau)))


def _stretches(known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[slice]:
    """Where something is known without a gap, two points or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    for begin, end in edges.reshape(-1, 2).tolist():
        if end - begin > 1:
            yield slice(begin, end)


def _points(at: Array, values: Array, x: Scale, y: Scale) -> str:
    pairs = zip(at.tolist(), values.tolist(), strict=True)
    return "L".join(f"{svg.px(x(t))},{svg.px(y(v))}" for t, v in pairs)


def _lines(at: Array, values: Array, x: Scale, y: Scale, css: str) -> Iterator[str]:
    for part in _stretches(np.isfinite(values)):
        yield svg.path(f"M{_points(at[part], values[part], x, y)}", css)


def _band(at: Array, low: Array, high: Array, x: Scale, y: Scale, css: str) -> Iterator[str]:
    for part in _stretches(np.isfinite(low) & np.isfinite(high)):
        back = _points(at[part][::-1], low[part][::-1], x, y)
        yield svg.path(f"M{_points(at[part], high[part], x, y)}L{back}Z", css)


def _time_axis(x: Scale, y: Scale) -> Iterator[str]:
    for day in svg.ticks(x.low, x.high, 8):
        hours = round(24 * (day % 1))
        label = f"day {int(day) + 1}" if hours == 0 else f"{hours:02d}:00"
        yield svg.line(x(day), y.start, x(day), y.end, "grid")
        yield svg.text(x(day), y.start + 15, label, "tick", "middle")


def _value_axis(x: Scale, y: Scale) -> Iterator[str]:
    for value in svg.ticks(0, y.high, 4):
        yield svg.line(x.start, y(value), x.end, y(value), "grid")
        yield svg.text(x.start - 5, y(value) + 4, f"{value:,.10g}", "tick", "end")


# --- calibration -----------------------------------------------------------------------------------------------------


def calibration(evaluation: Evaluation) -> str:
    """Per quantile, how far each horizon's coverage was from what it promised, points; the leeway is shaded."""
    taus, covered = np.array(evaluation.plan.taus), np.asarray(evaluation.row()["coverage"])
    off = 100 * (covered - taus)
    reach = max(2.5, 1.15 * float(np.nanmax(np.abs(off), initial=0.0)))
    x, y = Scale(0.0, float(len(taus)), 44.0, 640.0), Scale(-reach, reach, 216.0, 10.0)
    parts = [_shade(x, y), *_points_axis(x, y)]
    for i, tau in enumerate(taus):
        parts.append(svg.text(x(i + 0.5), y.start + 17, f"P{100 * tau:g}", "tick", "middle"))
    for (i, j), value in np.ndenumerate(off):
        if np.isfinite(value):
            place = x(j + (i + 1) / (len(off) + 1)), y(float(value))
            parts.append(svg.marker(shape(i), *place, f"mark c{i % 8}"))
    return svg.picture(640, 240, "How far coverage was from what was promised, by quantile and horizon", parts)


def shape(index: int) -> str:
    """A marker for each horizon."""
    return list(svg.SHAPES)[index % len(svg.SHAPES)]


def _shade(x: Scale, y: Scale) -> str:
    top, bottom = svg.px(y(100 * LEEWAY)), svg.px(y(-100 * LEEWAY))
    return svg.path(f"M{svg.px(x.start)},{top}H{svg.px(x.end)}V{bottom}H{svg.px(x.start)}Z", "kept")


def _points_axis(x: Scale, y: Scale) -> Iterator[str]:
    for value in svg.ticks(y.low, y.high, 5):
        yield svg.line(x.start, y(value), x.end, y(value), "goal" if value == 0 else "grid")
        yield svg.text(x.start - 5, y(value) + 4, f"{value:+g}" if value else "0", "tick", "end")


# --- losses ----------------------------------------------------------------------------------------------------------


def bars(evaluation: Evaluation) -> list[str]:
    """One picture a horizon: each forecast's loss relative to last value, whose bar is 1."""
    names = [row["forecast"] for row in evaluation.rows]
    ratios = np.stack([row["wql_vs_last"] for row in evaluation.rows])
    most = min(2.0, max(1.1, float(np.nanmax(ratios, initial=1.0))))
    return [_bars(names, ratios[:, i], most, name) for i, name in enumerate(tables.minutes(evaluation))]


def _bars(names: Sequence[str], ratios: Array, most: float, horizon: str) -> str:
    x, bottom = Scale(0.0, most, 118.0, PANEL - 46), 4 + ROW * len(names)
    parts = []
    for i, (name, value) in enumerate(zip(names, ratios.tolist(), strict=True)):
        top = 4 + ROW * i
        css = "c0" if name == COMBINED else "other"
        parts.append(svg.text(x.start - 6, top + 13, name, "tick", "end"))
        if np.isfinite(value):
            end, left = x(min(value, most)), svg.px(x.start)
            outline = f"M{left},{svg.px(top + 3)}H{svg.px(end)}V{svg.px(top + ROW - 3)}H{left}Z"
            parts += [svg.path(outline, f"bar {css}"), svg.text(PANEL - 4, top + 13, f"{value:.3f}", "tick", "end")]
    parts.append(svg.line(x(1), 2, x(1), bottom, "goal"))
    return svg.picture(PANEL, bottom + 2, f"Loss relative to last value, {horizon} ahead", parts)
