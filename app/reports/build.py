"""From the books to views: the one translation that the API and every report go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from app.reports import views
from app.reports.books import Books, Line, Statement, missing
from app.reports.capacity import Capacity, capacity
from app.reports.spans import Span
from autoscaler.cost.budget import Standing
from autoscaler.cost.figures import Figures, Split, Tokens
from autoscaler.cost.money import usd
from autoscaler.cost.savings import Saving, added
from autoscaler.policy import Policy

HOUR, DAY = 3600, 86400
HELD_POINTS = 800
"""Most points of a line of GPUs held; each keeps the highest hour it stands for."""

LOOK_BACK_S = 90 * DAY
BARS = 40
"""Most stretches in a report's pictures: hours of a day, quarters of the days of a week, days of a month."""

Policies = Mapping[str, Policy]


def cost_view(books: Books, made: Statement, service: str | None = None) -> views.CostView:
    """Totals of a statement, by service, pool and tenant."""
    services = books.by_service(made)
    total = books.total(made, services)
    whole = total.figures.total_usd
    span_ms = (made.end_s - made.start_s) * 1000
    return views.CostView(
        start_s=made.start_s,
        end_s=made.end_s,
        service=service,
        metered_share=min(1.0, made.metered_ms / span_ms) if span_ms > 0 else 0.0,
        total=line_view(total, whole),
        services=[line_view(line, whole) for line in services],
        pools=[line_view(line, whole) for line in books.by_pool(made)],
        tenants=[
            views.TenantLine(
                tenant=name,
                usd=usd(nano),
                tokens=tokens,
                requests=requests,
                usd_per_million_tokens=usd(nano) * 1e6 / tokens if tokens > 0 else None,
            )
            for name, nano, tokens, requests in books.by_tenant(made)
        ],
        gaps=missing(made, total),
    )


def line_view(line: Line, whole_usd: float) -> views.CostLine:
    """One line; its share is of ``whole_usd``."""
    figures, tokens, known = line.figures, line.tokens, line.tokens.known is not None
    return views.CostLine(
        name=line.name,
        total_usd=figures.total_usd,
        parts_usd=figures.parts_usd,
        share=figures.total_usd / whole_usd if whole_usd > 0 else None,
        gpu_hours=figures.gpu_hours,
        input_tokens=tokens.input if known else None,
        cached_tokens=tokens.cached if known else None,
        output_tokens=tokens.output if known else None,
        requests=tokens.requests if known else None,
        marginal_usd=figures.marginal_usd,
        marginal_usd_per_million_tokens=figures.marginal_per_million_usd,
        serving_usd_per_million_tokens=figures.serving_per_million_usd,
        fully_loaded_usd_per_million_tokens=figures.fully_loaded_per_million_usd,
        waste_share=figures.waste_share,
        kinds_usd=_kinds(figures, line.split),
        kinds_usd_per_million_tokens=_kind_prices(figures, tokens, line.split),
        joules=line.energy.joules,
        joules_per_token=line.energy.joules_per_token,
        kwh_per_million_tokens=line.energy.kwh_per_million_tokens,
        grams_co2=line.energy.grams_co2,
    )


def _kinds(figures: Figures, split: Split | None) -> views.KindPrices | None:
    if split is None:
        return None
    whole = figures.total_usd
    return views.KindPrices(input=whole * split.input, cached=whole * split.cached, output=whole * split.output)


def _kind_prices(figures: Figures, tokens: Tokens, split: Split | None) -> views.KindPrices | None:
    if split is None or not tokens.known:
        return None
    cached = tokens.cached or 0.0
    paid = figures.total_usd * tokens.known * 1e6
    counts = {"input": tokens.input - cached, "cached": cached, "output": tokens.output}
    return views.KindPrices(
        **{kind: paid * getattr(split, kind) / count if count > 0 else None for kind, count in counts.items()}
    )


def series_view(books: Books, made: Statement, max_points: int, service: str | None = None) -> views.CostSeries:
    """At most ``max_points`` stretches of equal length, hours where they fit; each tells its dearest hour."""
    hours = max(1, round((made.end_s - made.start_s) / HOUR))
    step_s = HOUR * -(-hours // max_points)
    if step_s > HOUR:
        step_s = next((HOUR * n for n in (2, 3, 4, 6, 8, 12, 24) if HOUR * n >= step_s), -(-step_s // DAY) * DAY)
    return views.CostSeries(
        start_s=made.start_s, end_s=made.end_s, service=service, step_s=step_s, points=points(books, made, step_s)
    )


def points(books: Books, made: Statement, step_s: int) -> list[views.CostPoint]:
    """Stretches of ``step_s`` from midnight, oldest first."""
    peaks: dict[int, float] = {}
    for hour, nano in zip(made.lines.hours.tolist(), made.lines.nano_by_hour().tolist(), strict=True):
        start = hour // step_s * step_s
        peaks[start] = max(peaks.get(start, 0.0), usd(nano))
    return [_point(start, step_s, line, peaks.get(start, 0.0), made) for start, line in books.by_time(made, step_s)]


def _point(start: int, step_s: int, line: Line, peak: float, made: Statement) -> views.CostPoint:
    hours = (min(made.end_s, start + step_s) - max(made.start_s, start)) / HOUR
    figures = line.figures
    return views.CostPoint(
        at_s=start,
        usd=figures.total_usd,
        usd_per_hour=figures.total_usd / hours,
        peak_usd_per_hour=peak,
        parts_usd_per_hour={name: value / hours for name, value in figures.parts_usd.items()},
        tokens=line.tokens.total,
        marginal_usd_per_million_tokens=figures.marginal_per_million_usd,
        serving_usd_per_million_tokens=figures.serving_per_million_usd,
        fully_loaded_usd_per_million_tokens=figures.fully_loaded_per_million_usd,
    )


def budget_view(found: Standing) -> views.BudgetView:
    """One budget."""
    plain = {name: getattr(found, name) for name in STANDING}
    return views.BudgetView(**asdict(found.budget), **plain, state=found.state.value, alert=found.alert)


STANDING = ("month_start_s", "month_end_s", "spent_usd", "forecast_usd", "low_usd", "high_usd", "over_at_s")


def savings_view(
    books: Books, policies: Policies, start_s: float, end_s: float, service: str | None = None
) -> views.SavingsView:
    """Savings of one service, or of all together and then those of none."""
    names = [service] if service is not None else list(books.services)
    parts = {name: books.savings(name, policies[name], start_s, end_s) for name in names if name in policies}
    found = added([*parts.values()]) if service is None else parts.get(service, [])
    return views.SavingsView(
        start_s=start_s,
        end_s=end_s,
        service=service,
        savings=[saving_view(one) for one in found],
        missing=[name for name in names if not parts.get(name)],
    )


def saving_view(one: Saving) -> views.SavingView:
    """One counterfactual."""
    return views.SavingView(**asdict(one))


def capacity_views(books: Books, made: Statement) -> list[views.CapacityLine]:
    """Every GPU type."""
    return [capacity_view(one) for one in capacity(books, made)]


def capacity_view(one: Capacity) -> views.CapacityLine:
    """One GPU type, its past thinned so that peaks stand."""
    ahead, bought = one.outlook, one.purchase
    return views.CapacityLine(
        gpu=one.gpu,
        peak_gpus=ahead.peak_gpus if ahead else None,
        peak_day_s=ahead.peak_day_s if ahead else None,
        mean_gpus=sum(one.hourly.values()) / len(one.hourly) if one.hourly else 0.0,
        growth_per_30_days=ahead.growth_per_30_days if ahead else None,
        quota_gpus=ahead.quota if ahead else None,
        quota_out_s=ahead.out_s if ahead else None,
        quota_out_early_s=ahead.early_s if ahead else None,
        held=highest(sorted(one.hourly.items()), HELD_POINTS),
        ahead=[views.AheadPoint(at_s=d.day_s, p10=d.p10, p50=d.p50, p90=d.p90) for d in ahead.days] if ahead else [],
        purchase=None
        if bought is None
        else views.PurchaseView(
            offer=bought.offer.words,
            reserved_gpus=bought.mix.reserved,
            on_demand_mean_gpus=bought.mix.on_demand_mean,
            spot_mean_gpus=bought.mix.spot_mean,
            usd_per_hour=bought.mix.usd_per_hour,
            all_on_demand_usd_per_hour=bought.mix.all_on_demand_usd,
            saving_share=bought.mix.saving,
            break_even_use=bought.mix.break_even,
        ),
    )


def highest(series: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most ``most`` points, each the highest of a stretch of equal length."""
    step = -(-len(series) // most) if series else 1
    stretches = [series[at : at + step] for at in range(0, len(series), step)]
    return [(stretch[0][0], max(value for _, value in stretch)) for stretch in stretches]


def report(books: Books, policies: Policies, span: Span, now_s: float) -> views.Report:
    """Everything about a span; what is still to come of it is left out."""
    end_s = min(span.end_s, now_s)
    made = books.statement(span.start_s, end_s)
    cost = cost_view(books, made)
    return views.Report(
        kind=span.kind,
        title=span.title,
        made_at_s=now_s,
        cost=cost,
        series=series_view(books, made, BARS),
        budgets=[budget_view(one) for one in books.standings(min(now_s, max(made.end_s - 1, made.start_s)))],
        savings=savings_view(books, policies, made.start_s, made.end_s),
        capacity=capacity_views(books, _looked_back(books, made)),
    )


def _looked_back(books: Books, made: Statement) -> Statement:
    """A trend needs more past than a day or a week has."""
    return books.statement(made.end_s - LOOK_BACK_S, made.end_s)
