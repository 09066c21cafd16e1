"""What the Cost page says: headline, tiles and tables from the API's answers.

Pure functions from payloads to words and pandas frames. A price bears its name everywhere; what is not known is a
dash or missing, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.console import format, tiles
from app.reports.views import (
    PART_WORDS,
    BudgetView,
    CapacityLine,
    CostLine,
    CostPoint,
    CostSeries,
    CostView,
    SavingView,
    TenantLine,
)

DAY_S = 86400.0
NEARLY_ALL = 0.99
"""A span of which so much was metered needs no word about the rest."""
FLEET, UNTOLD = "_fleet", "_untold"
NAMES = {FLEET: "the fleet as a whole", UNTOLD: "not told apart"}

PRICES = {
    "marginal_usd_per_million_tokens": "marginal",
    "serving_usd_per_million_tokens": "serving",
    "fully_loaded_usd_per_million_tokens": "fully loaded",
}
AGAINST = {"hpa": "A tuned proportional autoscaler (HPA)", "static-peak": "The peak all the time"}
STATES: Mapping[str, tiles.Verdict] = {
    "unknown": "unknown",
    "ok": "good",
    "heading over": "warning",
    "nearly spent": "warning",
    "over": "bad",
}


def headline(view: CostView) -> str:
    """What the span comes to, in one sentence."""
    total = view.total
    if not total.total_usd:
        return "Nothing was metered in this span"
    price = total.fully_loaded_usd_per_million_tokens
    each = f", {per_million(price)} per million tokens fully loaded" if price is not None else ""
    return f"{format.usd(total.total_usd)} in {span_words(view)}{each}"


def metered_s(view: CostView) -> float:
    """Seconds of the span of which the cost is known."""
    return view.metered_share * (view.end_s - view.start_s)


def span_words(view: CostView) -> str:
    """``7 d``, or ``2 h 50 m metered of 7 d``."""
    whole, known = format.duration(view.end_s - view.start_s), format.duration(metered_s(view))
    return whole if view.metered_share > NEARLY_ALL else f"{known} metered of {whole}"


def per_million(usd: float | None) -> str:
    """A price with three digits that tell."""
    return format.DASH if usd is None else f"${usd:,.3f}" if usd < 10 else f"${usd:,.2f}"


def cost_tiles(view: CostView, series: CostSeries, budgets: Sequence[BudgetView]) -> list[tiles.Tile]:
    """The strip: cost, the four figures, and the budget that is worst off."""
    total = view.total
    hourly = tuple(point.usd_per_hour for point in series.points)
    hours = metered_s(view) / 3600
    each = f"{format.usd(total.total_usd / hours)} an hour" if hours else "nothing metered"
    return [
        tile("Cost", format.usd(total.total_usd), each, hourly, COST_HELP),
        *(price_tile(view, series, field, name) for field, name in PRICES.items()),
        tile("Waste share", format.percent(total.waste_share), "of fully loaded, not serving", (), WASTE_HELP),
        *([budget_tile(worst(budgets))] if budgets else []),
    ]


COST_HELP = "Everything that was held, commitments and platform cost among it, in the chosen span."
WASTE_HELP = "The part of the fully loaded cost that is not serving: standby, starting, idle, unused, platform."
PRICE_HELP = {
    "marginal": "What the tokens would have cost on replicas run at saturation: the price of one more.",
    "serving": "What was in rotation, over prompt and answer tokens.",
    "fully loaded": "Everything attributed: standby, starting, idle in racks, unused commitments, platform.",
}


def price_tile(view: CostView, series: CostSeries, field: str, name: str) -> tiles.Tile:
    """One of the prices, with its past."""
    points = tuple(getattr(point, field) for point in series.points)
    label = f"{name.capitalize()} $ / 1M"
    return tile(label, per_million(getattr(view.total, field)), "input and output", points, PRICE_HELP[name])


def tile(label: str, value: str, note: str, points: tuple[float | None, ...], help: str) -> tiles.Tile:
    """A tile that judges nothing."""
    return tiles.Tile(label.replace("$", "\\$"), value.replace("$", "\\$"), note, "neutral", points, help)


def worst(budgets: Sequence[BudgetView]) -> BudgetView:
    """The budget that is worst off; of several the one that is furthest spent."""
    order = list(STATES)
    return max(budgets, key=lambda one: (order.index(one.state), one.spent_usd / one.usd_per_month))


def budget_tile(one: BudgetView) -> tiles.Tile:
    """A budget with its verdict."""
    spent = format.percent(one.spent_usd / one.usd_per_month, 0)
    help = f"{one.name}: {format.usd(one.spent_usd)} of {format.usd(one.usd_per_month)} in this calendar month."
    return tiles.Tile(
        f"Budget {one.name}", f"{spent} spent", one.state, STATES[one.state], (), help.replace("$", "\\$")
    )


# --- frames ------------------------------------------------------------------------------------------------------


def series_frame(series: CostSeries) -> pd.DataFrame:
    """``time``, dollars per hour by part (labels), ``dearest hour``, and the prices; gaps are missing.

    A last row closes the last stretch, and one of gaps stands in each hole.
    """
    rows = []
    for index, point in enumerate(series.points):
        rows.append(_row(point.at_s, point))
        after = series.points[index + 1].at_s if index + 1 < len(series.points) else series.end_s
        if after > point.at_s + series.step_s:
            rows.append({"at_s": point.at_s + series.step_s})
    columns = ["at_s", *PART_WORDS.values(), "dearest hour", *PRICES.values()]
    frame = pd.DataFrame(rows, columns=columns)
    frame.insert(0, "time", pd.to_datetime(frame.pop("at_s").astype(float), unit="s", utc=True))
    return frame.astype(dict.fromkeys(columns[1:], float))


def _row(at_s: float, point: CostPoint) -> dict[str, float | None]:
    parts = point.parts_usd_per_hour
    prices = {name: getattr(point, field) for field, name in PRICES.items()}
    dearest = point.peak_usd_per_hour
    return {"at_s": at_s, **{PART_WORDS[part]: usd for part, usd in parts.items()}, "dearest hour": dearest} | prices


def used_parts(frame: pd.DataFrame) -> list[str]:
    """Labels of the parts that cost anything."""
    return [name for name in PART_WORDS.values() if (frame[name] > 0).any()]


def line_frame(lines: Sequence[CostLine]) -> pd.DataFrame:
    """One row per service, pool or whole: cost, parts, tokens, prices, energy."""
    return pd.DataFrame([line_row(line) for line in lines])


def line_row(line: CostLine) -> dict[str, object]:
    """One row, shares in per cent, tokens in millions."""
    known = line.input_tokens is not None and line.output_tokens is not None
    tokens = ((line.input_tokens or 0.0) + (line.output_tokens or 0.0)) / 1e6 if known else None
    kinds = line.kinds_usd
    return {
        "name": NAMES.get(line.name, line.name),
        "usd": line.total_usd,
        "share": None if line.share is None else 100 * line.share,
        "gpu_hours": line.gpu_hours,
        "million_tokens": tokens,
        **{name.replace(" ", "_"): getattr(line, field) for field, name in PRICES.items()},
        "waste": None if line.waste_share is None else 100 * line.waste_share,
        **{f"{kind}_usd": getattr(kinds, kind) if kinds else None for kind in ("input", "cached", "output")},
        "joules_per_token": line.joules_per_token,
        "kg_co2": None if line.grams_co2 is None else line.grams_co2 / 1000,
    }


def parts_frame(lines: Sequence[CostLine]) -> pd.DataFrame:
    """One row per service and its parts in dollars, the dearest first."""
    return pd.DataFrame(
        [
            {"name": NAMES.get(line.name, line.name)} | {PART_WORDS[part]: usd for part, usd in line.parts_usd.items()}
            for line in lines
        ],
        columns=["name", *PART_WORDS.values()],
    )


def tenant_frame(lines: Sequence[TenantLine]) -> pd.DataFrame:
    """One row per tenant."""
    rows = [
        {
            "name": NAMES.get(line.tenant, line.tenant),
            "usd": line.usd,
            "million_tokens": line.tokens / 1e6,
            "usd_per_million": line.usd_per_million_tokens,
        }
        for line in lines
    ]
    return pd.DataFrame(rows, columns=["name", "usd", "million_tokens", "usd_per_million"])


def budget_frame(budgets: Sequence[BudgetView]) -> pd.DataFrame:
    """One row per budget."""
    return pd.DataFrame(
        [
            {
                "budget": one.name,
                "for": one.service or "the fleet",
                "state": one.state,
                "spent": one.spent_usd,
                "share": 100 * one.spent_usd / one.usd_per_month,
                "limit": one.usd_per_month,
                "forecast": one.forecast_usd,
                "low": one.low_usd,
                "high": one.high_usd,
                "over": None if one.over_at_s is None else format.moment(one.over_at_s),
            }
            for one in budgets
        ]
    )


def saving_frame(savings: Sequence[SavingView]) -> pd.DataFrame:
    """One row per other way to run it."""
    return pd.DataFrame(
        [
            {
                "against": AGAINST.get(one.against, one.against),
                "setting": one.setting,
                "metered": one.actual_usd,
                "would_cost": one.counterfactual_usd,
                "saved": one.saved_usd,
                "low": one.low_usd,
                "high": one.high_usd,
                "attainment": 100 * one.attainment,
                "days": one.days,
            }
            for one in savings
        ]
    )


def gpu_frame(line: CapacityLine) -> pd.DataFrame:
    """``time``, ``held``, ``p10``, ``p50``, ``p90``, ``quota``."""
    held = [{"at_s": at_s, "held": gpus} for at_s, gpus in line.held]
    ahead = [{"at_s": day.at_s, "p10": day.p10, "p50": day.p50, "p90": day.p90} for day in line.ahead]
    frame = pd.DataFrame([*held, *ahead], columns=["at_s", "held", "p10", "p50", "p90"]).astype(float)
    frame.insert(0, "time", pd.to_datetime(frame.pop("at_s"), unit="s", utc=True))
    frame["quota"] = np.nan if line.quota_gpus is None else float(line.quota_gpus)
    return frame


def gpu_words(line: CapacityLine) -> str:
    """What the months to come say of one GPU type."""
    if not line.ahead:
        return "held; a forecast needs a whole day"
    last = line.ahead[-1]
    words = f"in 90 days {last.p50:.0f} at the peak ({last.p10:.0f} to {last.p90:.0f})"
    if line.quota_gpus is None:
        return words
    if line.quota_out_s is None:
        early = f", one in ten from {day(line.quota_out_early_s)}" if line.quota_out_early_s else ""
        return f"{words}; the quota of {line.quota_gpus} holds{early}"
    return f"{words}; the quota of {line.quota_gpus} runs out {day(line.quota_out_s)}"


def purchase_words(line: CapacityLine) -> str:
    """What to commit to."""
    bought = line.purchase
    if bought is None:
        return ""
    return (
        f"{line.gpu}: reserve {bought.reserved_gpus} GPUs, {bought.on_demand_mean_gpus:.1f} on demand on average, "
        f"{bought.spot_mean_gpus:.1f} on spot: {format.usd(bought.usd_per_hour)} an hour, "
        f"{format.percent(bought.saving_share, 0)} below all on demand (prices: {bought.offer})."
    )


def day(at_s: float) -> str:
    """A date, UTC."""
    return f"{format.moment(at_s):%-d %b %Y}"
