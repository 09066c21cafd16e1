"""A report as one page: what it cost, for whom and what for, and what will be needed.

One HTML file that needs nothing else: no script, no font, no network. Light and dark follow the reader's system, paper
is light; every picture has its numbers in a table. All text is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TypeVar

from app.reports import pictures, tables
from app.reports.tables import Table
from app.reports.views import PART_WORDS, CapacityLine, Report
from autoscaler.backtest import svg, words
from autoscaler.cost.account import PARTS

T = TypeVar("T")

STYLE = (Path(svg.__file__).parent / "page.css").read_text() + (Path(__file__).parent / "page.css").read_text()
MOST_SERVICES = 40
"""Tables name so many services, the dearest; the CSV file has all."""


def page(report: Report) -> str:
    """The whole document."""
    title = f"Cost and capacity: {escape(report.title)}"
    body = "".join([*_cost(report), *_capacity(report.capacity), _terms(report)])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class=eyebrow>{title}</p><h1>{escape(headline(report))}</h1>"
        f"<p>{escape(_about(report))}</p></header>{_tiles(report)}{_gaps(report)}{body}</main></body></html>\n"
    )


def headline(report: Report) -> str:
    """What it comes to, in one sentence."""
    total = report.cost.total
    if not total.total_usd:
        return "Nothing was metered in this span"
    price = total.fully_loaded_usd_per_million_tokens
    each = f": {tables.price(price)} per million tokens, fully loaded" if price is not None else ""
    return f"{tables.money(total.total_usd)} for {len(_services(report))} services{each}"


def _about(report: Report) -> str:
    made = datetime.fromtimestamp(report.made_at_s, UTC)
    start, end = (datetime.fromtimestamp(at, UTC) for at in (report.cost.start_s, report.cost.end_s))
    return f"{start:%-d %b %Y %H:%M} to {end:%-d %b %Y %H:%M} UTC, made {made:%-d %b %Y %H:%M} UTC. All in US dollars."


def _services(report: Report) -> list[str]:
    return [line.name for line in report.cost.services if not line.name.startswith("_")]


def _tiles(report: Report) -> str:
    total = report.cost.total
    told = [
        ("marginal, per M tokens", tables.price(total.marginal_usd_per_million_tokens)),
        ("serving, per M tokens", tables.price(total.serving_usd_per_million_tokens)),
        ("fully loaded, per M tokens", tables.price(total.fully_loaded_usd_per_million_tokens)),
        ("waste share", words.percent(total.waste_share, 1)),
        ("GPU-hours", words.number(total.gpu_hours, 0)),
        *_saved(report),
    ]
    tiles = "".join(f"<div class=tile><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in told)
    return f"<div class=tiles>{tiles}</div>"


def _saved(report: Report) -> Iterator[tuple[str, str]]:
    for one in report.savings.savings:
        if one.against == "static-peak":
            yield f"saved against the peak all the time, {one.days} days", words.usd(one.saved_usd)


def _gaps(report: Report) -> str:
    if not report.cost.gaps:
        return ""
    told = "".join(f"<p>{escape(gap)}</p>" for gap in report.cost.gaps)
    return f"<div class=gaps><b>Not known</b>{told}</div>"


# --- cost --------------------------------------------------------------------------------------------------------


def _cost(report: Report) -> Iterator[str]:
    cost, series = report.cost, report.series
    step = f"{series.step_s // 3600} hours" if series.step_s > 3600 else "hour"
    if series.points:
        note = f"Mean dollars per hour of each {step}, stacked."
        dearest = " A line over a bar is its dearest hour." if series.step_s > 3600 else ""
        yield _picture("Dollars per hour", _legend_of_parts(report), pictures.spent, series, note + dearest)
    services = cost.services[:MOST_SERVICES]
    yield _section(tables.figures([*services, cost.total]), FOUR)
    if series.points:
        yield _picture("Dollars per million tokens", _legend_of_prices(), pictures.prices, series, "")
    yield _section(tables.parts([*services, cost.total]))
    yield _section(tables.kinds([*services, cost.total]), KINDS)
    yield _section(tables.tenants(cost.tenants))
    yield _section(tables.pools(cost.pools))
    yield _section(tables.energy([*services, cost.total]), ENERGY)
    yield _section(tables.budgets(report.budgets), BUDGETS)
    yield _section(tables.savings(report.savings.savings), _savings_note(report))


FOUR = (
    "Marginal: replicas run at saturation. Serving: replicas in rotation. Fully loaded: everything, with idle, "
    "standby, moving, unused and platform cost attributed. Waste: the part of fully loaded that is not serving."
)
KINDS = (
    "Kinds of tokens share a cost by the work they cause under the pool's step-time law; input is what was not cached."
)
ENERGY = "Of GPUs whose power or energy counter was read; what was not read is not in it."
BUDGETS = "The rest of the month is forecast by the mean of the last whole days; the band holds with 90 %."


def _savings_note(report: Report) -> str:
    missing = report.savings.missing
    left_out = f" No whole day is known of {', '.join(missing)}." if missing else ""
    return (
        "Whole days only, GPU time at list prices on both sides, other ways played by the fluid model on the same "
        f"load; the interval holds days that differ and the model's error.{left_out}"
    )


# --- capacity ----------------------------------------------------------------------------------------------------


def _capacity(lines: Sequence[CapacityLine]) -> Iterator[str]:
    for line in lines:
        if line.held:
            note = "Line: GPUs held. Dashed: the highest hour of each day to come, in the middle; band: P10 to P90."
            yield _picture(f"{line.gpu}: GPUs held and to come", "", pictures.gpus, line, note)
    yield _section(tables.capacities(lines), "In 30 and 90 days: the highest hour of that day, P50 (P10 to P90).")
    yield _section(tables.purchases(lines), "By the newsvendor on the load-duration curve, scaled to 45 days ahead.")


# --- parts of the page -------------------------------------------------------------------------------------------


def _terms(report: Report) -> str:
    return (
        "<section><h2>How it is counted</h2><p class=note>GPU time is metered at every tick of the control loop, by "
        "pool and state, and costs what the price book or the pool says in that hour. Every dollar is charged once: "
        "parts, services, pools and hours sum to the whole. "
        f"{words.percent(report.cost.metered_share, 1)} of the span was metered.</p></section>"
    )


def _picture(title: str, legend: str, draw: Callable[[T, float], str], data: T, note: str) -> str:
    drawn = f"<div class=wide>{draw(data, pictures.WIDE)}</div><div class=narrow>{draw(data, pictures.NARROW)}</div>"
    return f"<section class=picture><h2>{escape(title)}</h2>{legend}{drawn}<p class=note>{escape(note)}</p></section>"


def _legend_of_parts(report: Report) -> str:
    used = [i for i, part in enumerate(PARTS) if report.cost.total.parts_usd[part]]
    return _legend([(f'<rect width="22" height="10" class="part{i}"/>', PART_WORDS[PARTS[i]]) for i in used])


def _legend_of_prices() -> str:
    return _legend([(svg.line(0, 5, 22, 5, css), name) for _, name, css in pictures.PRICES])


def _legend(keys: Sequence[tuple[str, str]]) -> str:
    spans = (
        f'<span><svg class=swatch viewBox="0 0 22 10" aria-hidden="true">{mark}</svg>{escape(name)}</span>'
        for mark, name in keys
    )
    return f"<div class=legend>{''.join(spans)}</div>"


def _section(table: Table, note: str = "") -> str:
    """A table under its title; nothing where it has no rows."""
    if not table.rows:
        return ""
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.columns)
    body = "".join(
        f"<tr{' class=ours' if row[0] == 'all' else ''}><th scope=row>{escape(row[0])}</th>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    return (
        f"<section><h2>{escape(table.title)}</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{f'<p class=note>{escape(note)}</p>' if note else ''}</section>"
    )
