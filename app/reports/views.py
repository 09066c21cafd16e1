"""What the API and the reports say about money and capacity, as types; both are built from the same values.

Dollars are US dollars, times UTC seconds since the epoch; ``None`` means not known, never zero. Parts of a cost sum to
its total. Every price per million tokens bears its name: marginal, serving or fully loaded.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

By = Literal["service", "pool", "tenant"]

PART_WORDS = {
    "active": "in rotation",
    "standby": "standby",
    "asleep": "asleep",
    "warm_node": "warm nodes",
    "moving": "starting, draining, broken",
    "shared": "idle in racks",
    "unused": "unused commitments",
    "platform": "platform",
}
"""What a report and the console call each part of a cost."""


class View(BaseModel):
    """Base of all payloads: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class KindPrices(View):
    """One number per kind of token; ``input`` is of prompt tokens that were not cached."""

    input: float | None
    cached: float | None
    output: float | None


class CostLine(View):
    """What one name cost, and what for. Tokens and energy are None where they are not known by that name."""

    name: str
    total_usd: float
    parts_usd: dict[str, float]
    share: float | None
    gpu_hours: float
    input_tokens: float | None
    cached_tokens: float | None
    output_tokens: float | None
    requests: float | None
    marginal_usd: float | None
    marginal_usd_per_million_tokens: float | None
    serving_usd_per_million_tokens: float | None
    fully_loaded_usd_per_million_tokens: float | None
    waste_share: float | None
    kinds_usd: KindPrices | None
    kinds_usd_per_million_tokens: KindPrices | None
    joules: float | None
    joules_per_token: float | None
    kwh_per_million_tokens: float | None
    grams_co2: float | None


class TenantLine(View):
    """What one tenant's tokens cost, fully loaded; ``_untold`` is what came through no tenant."""

    tenant: str
    usd: float
    tokens: float
    requests: float
    usd_per_million_tokens: float | None


class CostView(View):
    """A span of whole hours. ``gaps`` says what is not known of it."""

    start_s: float
    end_s: float
    service: str | None
    currency: Literal["USD"] = "USD"
    metered_share: float
    total: CostLine
    services: list[CostLine]
    pools: list[CostLine]
    tenants: list[TenantLine]
    gaps: list[str]


class CostPoint(View):
    """A stretch of hours: mean dollars per hour by part, the dearest hour of it, and the prices of its tokens."""

    at_s: float
    usd: float
    usd_per_hour: float
    peak_usd_per_hour: float
    parts_usd_per_hour: dict[str, float]
    tokens: float
    marginal_usd_per_million_tokens: float | None
    serving_usd_per_million_tokens: float | None
    fully_loaded_usd_per_million_tokens: float | None


class CostSeries(View):
    """A span in stretches of ``step_s``, oldest first; those of which nothing was metered are absent."""

    start_s: float
    end_s: float
    service: str | None
    step_s: int
    points: list[CostPoint]


class BudgetView(View):
    """A budget and where it is heading; ``low_usd`` to ``high_usd`` holds with 90 %."""

    name: str
    service: str | None
    usd_per_month: float
    alert_at: float
    month_start_s: float
    month_end_s: float
    spent_usd: float
    forecast_usd: float | None
    low_usd: float | None
    high_usd: float | None
    over_at_s: float | None
    state: str
    alert: bool


class SavingView(View):
    """Against one other way to run it; ``low_usd`` to ``high_usd`` holds with 90 %."""

    against: str
    setting: str
    days: int
    actual_usd: float
    counterfactual_usd: float
    saved_usd: float
    low_usd: float
    high_usd: float
    saved_share: float | None
    attainment: float


class SavingsView(View):
    """Savings of the whole days within a span; ``missing`` are services of which no such day is known."""

    start_s: float
    end_s: float
    service: str | None
    savings: list[SavingView]
    missing: list[str]


class AheadPoint(View):
    """GPUs in the highest hour of a day to come."""

    at_s: float
    p10: float
    p50: float
    p90: float


class PurchaseView(View):
    """What to hold of a GPU type, as GPUs and USD per hour, and whose prices that rests on."""

    offer: str
    reserved_gpus: int
    on_demand_mean_gpus: float
    spot_mean_gpus: float
    usd_per_hour: float
    all_on_demand_usd_per_hour: float
    saving_share: float
    break_even_use: float | None


class CapacityLine(View):
    """One GPU type: what was held by hour, and the coming days."""

    gpu: str
    peak_gpus: float | None
    peak_day_s: float | None
    mean_gpus: float
    growth_per_30_days: float | None
    quota_gpus: int | None
    quota_out_s: float | None
    quota_out_early_s: float | None
    held: list[tuple[float, float]]
    ahead: list[AheadPoint]
    purchase: PurchaseView | None


class PriceView(View):
    """A row of the price book."""

    provider: str
    region: str
    sku: str
    gpu: str
    purchase: str
    usd_per_gpu_hour: float
    since: str
    source: str


class Report(View):
    """A whole report: ``kind`` is day, week, month or span."""

    kind: str
    title: str
    made_at_s: float
    cost: CostView
    series: CostSeries
    budgets: list[BudgetView]
    savings: SavingsView
    capacity: list[CapacityLine]
