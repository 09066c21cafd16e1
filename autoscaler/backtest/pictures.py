"""The page's two pictures: replicas over time, and cost against attainment.

Every policy has one look, a colour and a shape, on the whole page. Replicas over time stand in one panel a policy, all
on the same axes with the same load behind, since ten step lines in one frame show none of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from autoscaler.backtest import svg, words
from autoscaler.backtest.case import Case, offered_load
from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.run import TIMELINE_S, Result
from autoscaler.backtest.svg import Floats, Scale

PANEL = (360.0, 168.0)
WIDE, NARROW = 640.0, 380.0
"""Boxes of the panels, and of the scatter on a screen and on a phone, px."""

TIME_STEPS_S = (60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
NINES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999)
MOST_NINES = 4.0
"""Attainment is drawn by the misses' logarithm, as far as one miss in ten thousand; fewer stand at the top."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a policy is told from the others: class of its colour, name of its shape."""

    colour: str
    shape: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What all panels share: axes, and the replicas that the load fills, one a minute from the start: shape (n,)."""

    x: Scale
    y: Scale
    load: Floats


def looks(results: Sequence[Result]) -> list[Look]:
    """One look each: ours and the oracle always the same, the others in their order."""
    shapes = cycle(name for name in svg.SHAPES if name not in ("circle", "star"))
    colours = cycle(f"c{i}" for i in range(1, 8))
    rows = [result.row for result in results]
    ours, oracle = Look("c0", "circle"), Look("bound", "star")
    return [
        ours if row["policy"] == Ours.name else oracle if words.is_oracle(row) else Look(next(colours), next(shapes))
        for row in rows
    ]


def filled(case: Case) -> Floats:
    """Replicas that the offered load fills at ``rho_max``, a minute each: shape (minutes,)."""
    return offered_load(case.pool, case.trace, TIMELINE_S) / case.rho().value


def short_share(result: Result, load: Floats) -> float | None:
    """Share of the trace's minutes that begin with fewer replicas serving than the minute's load fills."""
    minutes = [(round(at_s / TIMELINE_S), serving) for at_s, serving, _ in result.timeline]
    seen = [serving < load[minute] for minute, serving in minutes if minute < len(load)]
    return sum(seen) / len(seen) if seen else None


# --- replicas over time ------------------------------------------------------------------------------------------


def panels(results: Sequence[Result], case: Case) -> list[str]:
    """One picture a policy: replicas that served, the load behind."""
    load = filled(case)
    frame = _frame(results, load)
    styles = looks(results)
    return [_panel(result, look, frame) for result, look in zip(results, styles, strict=True)]


def _frame(results: Sequence[Result], load: Floats) -> Frame:
    ends = [result.timeline[-1][0] for result in results if result.timeline]
    most = [serving for result in results for _, serving, _ in result.timeline]
    x = Scale(0.0, max([len(load) * TIMELINE_S, *ends]), 30.0, PANEL[0] - 6)
    return Frame(x, Scale(0.0, 1.08 * max([1.0, float(load.max()), *most]), PANEL[1] - 20, 8.0), load)


def _panel(result: Result, look: Look, frame: Frame) -> str:
    says = f"Replicas of {result.row['policy']} over time, against the replicas that the load fills"
    parts = [*_time_axis(frame), *_count_axis(frame), _load_area(frame)]
    if result.timeline:
        at_s, serving, _ = np.asarray(result.timeline, np.float64).T
        parts.append(svg.path(svg.steps(*svg.thin(at_s, serving), frame.x, frame.y), f"line {look.colour}"))
    return svg.picture(*PANEL, says, parts)


def _load_area(frame: Frame) -> str:
    at_s = TIMELINE_S * np.arange(len(frame.load), dtype=np.float64)
    top = svg.steps(*svg.thin(at_s, frame.load), frame.x, frame.y)
    end, base = (svg.px(v) for v in (frame.x(len(frame.load) * TIMELINE_S), frame.y(0)))
    return svg.path(f"{top}H{end}V{base}H{svg.px(frame.x(0))}Z", "load")


def _time_axis(frame: Frame) -> Iterator[str]:
    end_s = frame.x.high
    step_s = next((step for step in TIME_STEPS_S if end_s / step <= 5), TIME_STEPS_S[-1])
    for at_s in np.arange(0, end_s + 1e-6, step_s).tolist():
        anchor = "start" if at_s == 0 else "end" if frame.x(at_s) > PANEL[0] - 16 else "middle"
        yield svg.text(frame.x(at_s), PANEL[1] - 4, words.span(at_s), "tick", anchor)


def _count_axis(frame: Frame) -> Iterator[str]:
    for count in svg.ticks(0, frame.y.high, 4):
        if count == int(count):
            yield svg.line(frame.x.start, frame.y(count), frame.x.end, frame.y(count), "grid")
            yield svg.text(frame.x.start - 5, frame.y(count) + 4, f"{count:g}", "tick", "end")


# --- cost against attainment -------------------------------------------------------------------------------------


def scatter(results: Sequence[Result], case: Case, width: float) -> str:
    """Dollars to the right, attainment upwards by the logarithm of the misses; the oracle bounds what can be had."""
    pairs = zip(results, looks(results), strict=True)
    shown = [(result, look) for result, look in pairs if result.row["attainment"] is not None]
    goal = case.policy.slo.attainment
    x, y = _scatter_axes([result for result, _ in shown], goal, width)
    points = [(x(result.row["cost_usd"]), y(nines(result.row["attainment"]))) for result, _ in shown]
    parts = [*_cost_axis(x, y), *_attainment_axis(x, y), _goal(x, y, goal)]
    for (result, look), point in zip(shown, points, strict=True):
        if words.is_oracle(result.row):
            parts.append(_bound(point, x, y))
        parts.append(svg.marker(look.shape, *point, f"mark {look.colour}"))
    labels = [_label(result) for result, _ in shown]
    within = svg.Box(x.start, y.end, width, y.start)
    placed = zip(svg.place(points, labels, within), labels, shown, strict=True)
    parts += [svg.text(*at, label, f"name {look.colour}") for at, label, (_, look) in placed]
    return svg.picture(width, y.start + 40, "Cost against attainment, one labelled point a policy", parts)


def nines(attainment: float) -> float:
    """0.9 is 1, 0.99 is 2, and so on up to ``MOST_NINES``: equal steps are equal factors of misses."""
    return -math.log10(max(1 - attainment, 10**-MOST_NINES))


def _label(result: Result) -> str:
    name = str(result.row["policy"])
    return f"{name} (knows the load)" if words.is_oracle(result.row) else name


def _scatter_axes(shown: Sequence[Result], goal: float, width: float) -> tuple[Scale, Scale]:
    costs = [float(result.row["cost_usd"]) for result in shown] or [1.0]
    heights = [nines(goal), *(nines(result.row["attainment"]) for result in shown)]
    pad_x = 0.12 * (max(costs) - min(costs)) or 0.1 * max(costs) or 1.0
    pad_y = 0.1 * (max(heights) - min(heights)) or 0.3
    x = Scale(max(0.0, min(costs) - pad_x), max(costs) + pad_x, 58.0, width - 12)
    return x, Scale(max(0.0, min(heights) - pad_y), max(heights) + pad_y, 300.0, 12.0)


def _cost_axis(x: Scale, y: Scale) -> Iterator[str]:
    for cost in svg.ticks(x.low, x.high, 5):
        yield svg.line(x(cost), y.start, x(cost), y.end, "grid")
        yield svg.text(x(cost), y.start + 17, f"${cost:,.10g}", "tick", "middle")
    yield svg.text((x.start + x.end) / 2, y.start + 35, "cost of the whole trace, USD", "tick", "middle")


def _attainment_axis(x: Scale, y: Scale) -> Iterator[str]:
    for attainment in NINES:
        if y.low <= nines(attainment) <= y.high:
            at = y(nines(attainment))
            yield svg.line(x.start, at, x.end, at, "grid")
            yield svg.text(x.start - 6, at + 4, words.percent(attainment), "tick", "end")


def _goal(x: Scale, y: Scale, goal: float) -> str:
    at = y(nines(goal))
    return svg.line(x.start, at, x.end, at, "goal") + svg.text(x.end, at - 5, "promised", "tick goaltext", "end")


def _bound(point: tuple[float, float], x: Scale, y: Scale) -> str:
    """What nobody should have: cheaper than the oracle and at least as good."""
    left, top = svg.px(x.start), svg.px(y.end)
    return svg.path(f"M{left},{top}H{svg.px(point[0])}V{svg.px(point[1])}H{left}Z", "beyond")
