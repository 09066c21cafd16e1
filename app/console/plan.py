"""Plans in words, tables and a chart: the front with the policy and plain rules on it, and pools by price. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from app.api.plan_api import PlanPoint, PlanView
from app.console import charts, format
from app.console.charts import BLUE, GREEN, GREY, PURPLE, RED

KINDS = {
    "ours": ("Our knobs, the front", BLUE, "circle"),
    "policy": ("This policy", RED, "diamond"),
    "proportional": ("Proportional rule (HPA-like)", PURPLE, "square"),
    "static": ("Static fleet", GREY, "cross"),
}
BACKED = {"measured": "measured", "carried": "carried over from others"}


def frame(found: PlanView) -> pd.DataFrame:
    """One line per point."""
    return pd.DataFrame([line(point) for point in found.points])


def line(point: PlanPoint) -> dict[str, object]:
    """One point."""
    return {
        "pool": point.pool,
        "kind": KINDS[point.kind][0],
        "policy": point.name,
        "usd_per_hour": point.usd_per_hour,
        "attainment": 100 * point.attainment,
        "mean replicas": point.mean_replicas,
        "changes": ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in point.changes.items()
        ),
    }


def chart(found: PlanView) -> alt.LayerChart:
    """Cost to the right, attainment upwards; a line joins the front of each pool; the promise is a rule.

    The axis begins below what moves; a static fleet that keeps far less stands at its lower edge, or all others would
    be pressed into one line.
    """
    data = frame(found)
    names = [name for name, _, _ in KINDS.values()]
    placed = partial(alt.Legend, orient="top", columns=2, labelLimit=0, offset=charts.LEGEND_OFFSET, padding=0)
    key = placed(title=None, symbolOpacity=1, symbolStrokeWidth=2)
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=names, range=[shade for _, shade, _ in KINDS.values()]), legend=key
    )
    shape = alt.Shape(
        "kind:N", scale=alt.Scale(domain=names, range=[mark for _, _, mark in KINDS.values()]), legend=key
    )
    moving = [100 * point.attainment for point in found.points if point.kind != "static"]
    low = max(0.0, min([*moving, 100 * found.target]) - 1)
    x = alt.X("usd_per_hour:Q", title="$ an hour", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(tickCount=8))
    # A little above all of it, so that points there are whole; every layer says it, or the axis would begin at zero.
    span = alt.Scale(domain=[low, 100.0 + 0.03 * (100.0 - low)], clamp=True, zero=False, nice=False)
    y = alt.Y("attainment:Q", title="% in time", scale=span, axis=alt.Axis(tickCount=6))
    tips = [alt.Tooltip(f"{name}:N") for name in ("pool", "policy", "changes")]
    tips += [alt.Tooltip("usd_per_hour:Q", format=",.2f"), alt.Tooltip("attainment:Q", format=".2f")]
    several = data["pool"].nunique() > 1
    dash = alt.StrokeDash("pool:N", legend=placed(title="Pool", orient="bottom") if several else None)
    base = alt.Chart()
    layers = [
        base.mark_rule(color=GREEN, strokeDash=charts.DASHED).encode(alt.YDatum(100 * found.target, scale=span)),
        base.transform_filter(f"datum.kind == '{names[0]}'").mark_line(strokeWidth=2, color=BLUE).encode(x, y, dash),
        base.mark_point(filled=True, size=80, opacity=0.95).encode(x, y, colour, shape, tooltip=tips),
    ]
    return charts.finished(data, layers, height=charts.HEIGHT + 170)


def finding(found: PlanView) -> str:
    """What this policy comes to, and the cheapest setting that keeps the promise on each pool."""
    policy = next(point for point in found.points if point.kind == "policy" and point.pool == found.pool)
    told = [f"this policy {format.usd(policy.usd_per_hour)} an hour at {format.percent(policy.attainment, 2)}"]
    for pool in dict.fromkeys(point.pool for point in found.points):
        kept = [p for p in found.points if p.pool == pool and p.kind == "ours" and p.attainment >= found.target]
        if kept:
            best = min(kept, key=lambda point: point.usd_per_hour)
            told.append(f"the promise of {format.percent(found.target)} from {format.usd(best.usd_per_hour)} on {pool}")
        else:
            told.append(f"no setting keeps {format.percent(found.target)} on {pool}")
    return "; ".join(told)


def pools(found: PlanView) -> pd.DataFrame:
    """Pools from the cheapest."""
    return pd.DataFrame(
        [
            {
                "pool": pool.split,
                "usd_per_million": pool.usd_per_million_tokens,
                "usd_per_hour": pool.usd_per_hour,
                "mean": pool.mean_replicas,
                "peak": pool.peak_replicas,
                "GPUs each": pool.gpus_per_replica,
                "binds": pool.binding,
                "TPOT at limit": 1000 * pool.full_tpot_s,
                "TTFT at limit": 1000 * pool.full_ttft_s,
                "step times": BACKED["measured" if pool.measured else "carried"],
                "± %": 100 * pool.error,
                "price": pool.price,
            }
            for pool in found.pools
        ]
    )


def policy_of(base: dict[str, Any], values: dict[str, float | int]) -> dict[str, Any]:
    """The policy with what-if values by their dotted names."""
    made = {name: dict(part) if isinstance(part, dict) else part for name, part in base.items()}
    for name, value in values.items():
        section, _, field = name.partition(".")
        made[section] = {**made[section], field: value}
    return made
