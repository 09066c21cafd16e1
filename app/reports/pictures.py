"""A report's pictures as SVG: what the money went to over time, the prices of tokens, and the GPUs to come.

Pure, from views to markup; colours are classes of the page's style sheet. Every picture is drawn for a wide and for a
narrow reader, and has its numbers in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from app.reports.views import CapacityLine, CostPoint, CostSeries
from autoscaler.backtest import svg
from autoscaler.backtest.svg import Scale
from autoscaler.cost.account import PARTS

WIDE, NARROW = 1000.0, 380.0
HEIGHT, BOTTOM, LEFT = 250.0, 24.0, 52.0
DAY_S = 86400.0
MOST_BARS = 62
"""More stretches than this are drawn as areas: bars would be hairs."""

PRICES = (
    ("fully_loaded_usd_per_million_tokens", "fully loaded", "line c1"),
    ("serving_usd_per_million_tokens", "serving", "line c0 dash"),
    ("marginal_usd_per_million_tokens", "marginal", "line c2 dots"),
)


def spent(series: CostSeries, width: float) -> str:
    """Dollars per hour by part, stacked; a mark over each stretch shows its dearest hour."""
    points = series.points
    x = Scale(series.start_s, series.end_s, LEFT, width - 8)
    top = max([point.peak_usd_per_hour for point in points], default=1.0) or 1.0
    y = Scale(0.0, 1.06 * top, HEIGHT - BOTTOM, 10.0)
    parts = [*_axes(x, y, "$"), *_bars(points, series.step_s, x, y), *_peaks(points, series.step_s, x, y)]
    return svg.picture(width, HEIGHT, "Dollars per hour by what they went to, over time", parts)


def _bars(points: Sequence[CostPoint], step_s: int, x: Scale, y: Scale) -> Iterator[str]:
    gap = 1.0 if len(points) <= MOST_BARS else 0.0
    for point in points:
        left, right = _ends(point, step_s, x)
        base = 0.0
        for index, part in enumerate(PARTS):
            usd = max(0.0, point.parts_usd_per_hour[part])
            if usd > 0:
                low, high = y(base), y(base + usd)
                path = f"M{svg.px(left)},{low:.2f}H{svg.px(max(left + 0.5, right - gap))}V{high:.2f}H{svg.px(left)}Z"
                yield svg.path(path, f"part{index}")
            base += usd


def _peaks(points: Sequence[CostPoint], step_s: int, x: Scale, y: Scale) -> Iterator[str]:
    if step_s > 3600:
        for point in points:
            left, right = _ends(point, step_s, x)
            at = y(point.peak_usd_per_hour)
            yield svg.line(left, at, max(left + 0.5, right - 1), at, "peak")


def _ends(point: CostPoint, step_s: int, x: Scale) -> tuple[float, float]:
    return x(max(x.low, point.at_s)), x(min(x.high, point.at_s + step_s))


def prices(series: CostSeries, width: float) -> str:
    """Dollars per million tokens over time: fully loaded, serving, marginal; gaps where no tokens flowed."""
    found = [getattr(point, name) for point in series.points for name, _, _ in PRICES]
    top = max((value for value in found if value is not None), default=1.0) or 1.0
    x = Scale(series.start_s, series.end_s, LEFT, width - 8)
    y = Scale(0.0, 1.06 * top, HEIGHT - BOTTOM, 10.0)
    lines = [
        svg.path(_broken([(p.at_s + series.step_s / 2, getattr(p, name)) for p in series.points], x, y), css)
        for name, _, css in PRICES
    ]
    parts = [*_axes(x, y, "$"), *lines]
    return svg.picture(width, HEIGHT, "Dollars per million tokens over time, three figures", parts)


def _broken(points: Sequence[tuple[float, float | None]], x: Scale, y: Scale) -> str:
    """Path data that leaves out what is not known."""
    moves, pen = [], "M"
    for at_s, value in points:
        if value is None:
            pen = "M"
            continue
        moves.append(f"{pen}{svg.px(x(min(at_s, x.high)))},{svg.px(y(value))}")
        pen = "L"
    return "".join(moves) or "M0,0"


def gpus(line: CapacityLine, width: float) -> str:
    """GPUs held, the coming days with their band, and the quota."""
    if not line.held:
        return svg.picture(width, HEIGHT, f"{line.gpu}: nothing known", [])
    ends = [line.held[-1][0], *(point.at_s for point in line.ahead)]
    x = Scale(line.held[0][0], max(max(ends), line.held[0][0] + 3600), LEFT, width - 8)
    tops = [value for _, value in line.held] + [point.p90 for point in line.ahead] + [float(line.quota_gpus or 0)]
    y = Scale(0.0, 1.06 * (max(tops) or 1.0), HEIGHT - BOTTOM, 10.0)
    held = svg.path(_broken([*line.held], x, y), "line c2")
    parts = [*_axes(x, y, ""), *_ahead(line, x, y), held, *_quota(line, x, y)]
    return svg.picture(width, HEIGHT, f"{line.gpu}: GPUs held, and the highest hour of each day to come", parts)


def _ahead(line: CapacityLine, x: Scale, y: Scale) -> Iterator[str]:
    if line.ahead:
        up = [(point.at_s, point.p90) for point in line.ahead]
        down = [(point.at_s, point.p10) for point in reversed(line.ahead)]
        yield svg.path(_broken(up, x, y) + _broken(down, x, y).replace("M", "L") + "Z", "band")
        yield svg.path(_broken([(point.at_s, point.p50) for point in line.ahead], x, y), "line c0 dash")


def _quota(line: CapacityLine, x: Scale, y: Scale) -> Iterator[str]:
    if line.quota_gpus is not None:
        at = y(line.quota_gpus)
        yield svg.line(x.start, at, x.end, at, "quota")
        yield svg.text(x.start + 4, at - 5, f"quota {line.quota_gpus}", "tick")


def _axes(x: Scale, y: Scale, unit: str) -> Iterator[str]:
    for value in svg.ticks(0, y.high, 5):
        yield svg.line(x.start, y(value), x.end, y(value), "grid")
        yield svg.text(x.start - 6, y(value) + 4, f"{unit}{value:,.10g}", "tick", "end")
    for at_s, label in _times(x):
        anchor = "start" if x(at_s) < x.start + 20 else "end" if x(at_s) > x.end - 24 else "middle"
        yield svg.text(x(at_s), y.start + 17, label, "tick", anchor)


def _times(x: Scale) -> Iterator[tuple[float, str]]:
    """Midnights, or hours within two days, so many that labels keep clear of each other."""
    span, most = x.high - x.low, max(2, int((x.end - x.start) / 90))
    if span <= 2 * DAY_S:
        step = next(s for s in (3600.0, 7200.0, 10800.0, 21600.0, 43200.0, DAY_S) if span / s <= most)
    else:
        step = next(s for s in (d * DAY_S for d in (1, 2, 7, 14, 28, 56, 112, 224, 448)) if span / s <= most)
    first = -(-x.low // step) * step
    for index in range(int((x.high - first) // step) + 1):
        at_s = first + index * step
        at = datetime.fromtimestamp(at_s, UTC)
        yield at_s, f"{at:%H:%M}" if step < DAY_S and at_s % DAY_S else f"{at:%-d %b}"
