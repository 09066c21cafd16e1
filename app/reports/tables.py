"""A report as tables of text: what the page, the command line and the CSV file all show, so no two can differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.reports.safecsv import Cell, csv_text
from app.reports.views import (
    PART_WORDS,
    BudgetView,
    CapacityLine,
    CostLine,
    PurchaseView,
    Report,
    SavingView,
    TenantLine,
)
from autoscaler.backtest import words
from autoscaler.cost.account import NOBODY, PARTS

AGAINST = {"hpa": "a tuned proportional autoscaler (HPA)", "static-peak": "the peak all the time"}


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` of text under ``columns``; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def csv_of(report: Report) -> str:
    """One row per service and one for the whole: costs by part, tokens, the four figures, energy."""
    lines = [*report.cost.services, report.cost.total]
    return csv_text(("from", "to", *CSV_COLUMNS), ([*_span(report), *_csv_row(line)] for line in lines))


CSV_NUMBERS = (
    "total_usd",
    "gpu_hours",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "requests",
    "marginal_usd_per_million_tokens",
    "serving_usd_per_million_tokens",
    "fully_loaded_usd_per_million_tokens",
    "waste_share",
    "joules",
    "joules_per_token",
    "grams_co2",
)
CSV_COLUMNS = ("service", *CSV_NUMBERS, *(f"{part}_usd" for part in PARTS))


def _span(report: Report) -> list[Cell]:
    return [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%MZ}" for at in (report.cost.start_s, report.cost.end_s)]


def _csv_row(line: CostLine) -> list[Cell]:
    return [line.name, *(getattr(line, name) for name in CSV_NUMBERS), *(line.parts_usd[part] for part in PARTS)]


def name_of(line: CostLine | TenantLine) -> str:
    """As people call it."""
    name = line.tenant if isinstance(line, TenantLine) else line.name
    return {NOBODY: "the fleet as a whole", "_untold": "not told apart", "total": "all"}.get(name, name)


def figures(lines: Sequence[CostLine]) -> Table:
    """The four figures per million tokens, each under its name."""
    rows = [
        (
            name_of(line),
            money(line.total_usd),
            words.percent(line.share, 1),
            words.number(line.gpu_hours, 0),
            millions(_tokens(line)),
            price(line.marginal_usd_per_million_tokens),
            price(line.serving_usd_per_million_tokens),
            price(line.fully_loaded_usd_per_million_tokens),
            words.percent(line.waste_share, 1),
        )
        for line in lines
    ]
    columns = ("", "cost", "share", "GPU-hours", "M tokens", "marginal $/M", "serving $/M", "fully loaded $/M", "waste")
    return Table("What each service cost", columns, tuple(rows))


def parts(lines: Sequence[CostLine]) -> Table:
    """What the money went to."""
    used = [part for part in PARTS if any(line.parts_usd[part] for line in lines)]
    rows = [(name_of(line), money(line.total_usd), *(money(line.parts_usd[part]) for part in used)) for line in lines]
    return Table("What the money went to", ("", "cost", *(PART_WORDS[part] for part in used)), tuple(rows))


def kinds(lines: Sequence[CostLine]) -> Table:
    """Fully loaded, by kind of token."""
    rows = [
        (
            name_of(line),
            *(money(getattr(line.kinds_usd, kind)) for kind in KINDS),
            *(price(getattr(line.kinds_usd_per_million_tokens, kind, None)) for kind in KINDS),
        )
        for line in lines
        if line.kinds_usd is not None
    ]
    columns = ("", "input", "cached", "output", "input $/M", "cached $/M", "output $/M")
    return Table("Prompts, cached prompts and answers, fully loaded", columns, tuple(rows))


KINDS = ("input", "cached", "output")


def pools(lines: Sequence[CostLine]) -> Table:
    """By pool, rack and commitment."""
    rows = [
        (line.name, money(line.total_usd), words.percent(line.share, 1), words.number(line.gpu_hours, 0))
        for line in lines
    ]
    return Table("By pool", ("", "cost", "share", "GPU-hours"), tuple(rows))


def tenants(lines: Sequence[TenantLine]) -> Table:
    """By tenant, fully loaded."""
    rows = [
        (name_of(line), money(line.usd), millions(line.tokens), price(line.usd_per_million_tokens)) for line in lines
    ]
    return Table("By tenant, each hour's whole cost by tokens", ("", "cost", "M tokens", "$/M"), tuple(rows))


def energy(lines: Sequence[CostLine]) -> Table:
    """Joules where GPUs tell their power."""
    rows = [
        (
            name_of(line),
            words.number(line.joules / 3.6e6, 1) if line.joules is not None else words.DASH,
            words.number(line.joules_per_token, 2),
            words.number(line.kwh_per_million_tokens, 3),
            words.number(line.grams_co2 / 1000, 1) if line.grams_co2 is not None else words.DASH,
        )
        for line in lines
        if line.joules is not None
    ]
    return Table("Energy", ("", "kWh read", "J per token", "kWh per M tokens", "kg CO₂e"), tuple(rows))


def budgets(lines: Sequence[BudgetView]) -> Table:
    """Every budget and where it is heading."""
    rows = [
        (
            f"{one.name} ({one.service or 'fleet'})",
            money(one.usd_per_month),
            money(one.spent_usd),
            money(one.forecast_usd),
            f"{money(one.low_usd)} to {money(one.high_usd)}",
            day(one.over_at_s),
            one.state,
        )
        for one in lines
    ]
    columns = ("", "budget", "spent", "forecast", "90 % between", "spent by", "state")
    return Table("Budgets of the month", columns, tuple(rows))


def savings(lines: Sequence[SavingView]) -> Table:
    """Against each other way to run it."""
    rows = [
        (
            AGAINST.get(one.against, one.against),
            money(one.actual_usd),
            money(one.counterfactual_usd),
            f"{money(one.saved_usd)} ({words.percent(one.saved_share, 0)})",
            f"{money(one.low_usd)} to {money(one.high_usd)}",
            words.percent(one.attainment),
            str(one.days),
        )
        for one in lines
    ]
    columns = ("against", "metered", "it would cost", "saved", "90 % between", "its attainment", "days")
    return Table("Savings on the same traffic, simulated", columns, tuple(rows))


def capacities(lines: Sequence[CapacityLine]) -> Table:
    """GPUs by type: what was, what comes, and when the quota ends."""
    rows = [
        (
            one.gpu,
            words.number(one.mean_gpus),
            f"{words.number(one.peak_gpus)} ({day(one.peak_day_s)})",
            words.percent(one.growth_per_30_days, 1),
            *(_in_days(one, days) for days in (30, 90)),
            words.number(one.quota_gpus, 0),
            _quota(one),
        )
        for one in lines
    ]
    columns = ("", "mean", "peak", "growth in 30 days", "in 30 days", "in 90 days", "quota", "quota ends")
    return Table("GPUs: past, trend, and 90 days ahead", columns, tuple(rows))


def purchases(lines: Sequence[CapacityLine]) -> Table:
    """What to commit to."""
    found = [(one.gpu, one.purchase) for one in lines if one.purchase is not None]
    rows = [_purchase(gpu, bought) for gpu, bought in found]
    columns = ("", "reserve", "on demand, mean", "spot, mean", "USD per hour", "all on demand", "saves", "prices of")
    return Table("What to buy", columns, tuple(rows))


def _purchase(gpu: str, bought: PurchaseView) -> tuple[str, ...]:
    return (
        gpu,
        f"{bought.reserved_gpus} GPUs",
        words.number(bought.on_demand_mean_gpus),
        words.number(bought.spot_mean_gpus),
        words.usd(bought.usd_per_hour),
        words.usd(bought.all_on_demand_usd_per_hour),
        words.percent(bought.saving_share, 0),
        bought.offer,
    )


def _in_days(one: CapacityLine, days: int) -> str:
    if len(one.ahead) < days:
        return words.DASH
    point = one.ahead[days - 1]
    return f"{point.p50:.1f} ({point.p10:.1f} to {point.p90:.1f})"


def _quota(one: CapacityLine) -> str:
    if one.quota_gpus is None:
        return words.DASH
    if one.quota_out_s is None:
        early = f", one in ten from {day(one.quota_out_early_s)}" if one.quota_out_early_s else ""
        return f"not within 90 days{early}"
    return f"{day(one.quota_out_s)} (as early as {day(one.quota_out_early_s)})"


def _tokens(line: CostLine) -> float | None:
    if line.input_tokens is None or line.output_tokens is None:
        return None
    return line.input_tokens + line.output_tokens


def money(value: float | None) -> str:
    """Dollars and cents."""
    return words.DASH if value is None else f"${value:,.2f}" if value >= 0 else f"−${-value:,.2f}"


def price(value: float | None) -> str:
    """Dollars per million tokens, three digits that tell."""
    return words.DASH if value is None else f"${value:,.3f}" if value < 10 else f"${value:,.2f}"


def millions(tokens: float | None) -> str:
    """Tokens in millions."""
    return words.DASH if tokens is None else f"{tokens / 1e6:,.1f}"


def day(at_s: float | None) -> str:
    """A date, UTC."""
    return words.DASH if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%-d %b %Y}"
