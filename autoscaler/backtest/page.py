"""A backtest as one page: what each policy cost and attained, and how its fleet moved.

One HTML file that needs nothing else: no script, no font, no network. Light and dark follow the reader's system; a
phone is wide enough. Every picture has its numbers in a table beneath it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from autoscaler.backtest import pictures, svg, words
from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.run import TIMELINE_S, Result
from autoscaler.backtest.words import Row

MOST_TABLE_ROWS = 300
"""The table under the replicas puts so many minutes in a line that there are no more lines than this."""

BOUND = (
    " The oracle follows the cheapest schedule for a load that it knows beforehand: the shaded corner, cheaper and at "
    "least as good, is out of reach as far as its fluid model holds."
)

STYLE = (Path(__file__).parent / "page.css").read_text()

COLUMNS: tuple[tuple[str, str], ...] = (
    ("attainment", "Share of requests whose first and last token came in time; ✗ where it is below the promise."),
    ("cost", "All GPUs held, at the pool's price and holding shares."),
    ("strict", "Share of requests whose TTFT and own mean TPOT were each within target."),
    ("TTFT P50", "Time to first token, median."),
    ("TTFT P90", "Time to first token, 90th percentile."),
    ("TTFT P99", "Time to first token, 99th percentile."),
    ("TPOT P50", "Time per output token, median over requests."),
    ("TPOT P90", "Time per output token, 90th percentile over requests."),
    ("TPOT P99", "Time per output token, 99th percentile over requests."),
    ("$ per 1M tokens", "Cost over input and output tokens served."),
    ("GPU-hours", "GPUs held, from launch to release."),
    ("of it spare", "GPU-hours outside rotation."),
    ("mean replicas", "Replicas in rotation, mean over time."),
    ("ups / downs", "Times the target rose and fell."),
    ("rejected / lost", "Requests turned away; requests that died with their engine."),
)


def page(results: Sequence[Result], case: Case) -> str:
    """The whole document. Raises ValueError without results."""
    if not results:
        raise ValueError("a page needs results; give one or more")
    rows = [result.row for result in results]
    sections = (_rows(results, case), _cost(results, case), _replicas(results, case), _terms(case))
    title = f"Backtest: {escape(case.name)}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class=eyebrow>{title}</p><h1>{escape(words.headline(rows, case.policy.slo.attainment))}</h1>"
        f"<p>{escape(_traffic(case, rows))}</p></header>{''.join(sections)}</main></body></html>\n"
    )


def _traffic(case: Case, rows: Sequence[Row]) -> str:
    start = datetime.fromtimestamp(case.start_s, UTC)
    requests = words.number(case.trace.requests, 0)
    return (
        f"{requests} requests in {words.span(case.trace.duration_s)} from {start:%a %d %b %Y %H:%M} UTC, "
        f"{'all' if len(rows) > 1 else 'served'} on pool {case.pool.name}{_others(case)}: the same traffic, "
        "first fleet, lead-time draws and prices for every policy."
    )


def _others(case: Case) -> str:
    more = ", ".join(pool.name for pool in case.more_pools)
    return f" (ours on {more} too)" if more else ""


# --- the rows ----------------------------------------------------------------------------------------------------


def _rows(results: Sequence[Result], case: Case) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name, _ in COLUMNS)
    meant = "".join(f"<dt>{escape(name)}<dd>{escape(meaning)}" for name, meaning in COLUMNS)
    goal = case.policy.slo.attainment
    body = "".join(
        f"<tr{' class=ours' if r.row['policy'] == Ours.name else ''}><th scope=row>{_key(look)}"
        f"{escape(r.row['policy'])}</th>{_cells(cells(r.row, goal))}</tr>"
        for r, look in zip(results, pictures.looks(results), strict=True)
    )
    return (
        f"<section><h2>{escape(words.keepers([r.row for r in results], goal))}</h2><div class=scroll>"
        f"<table class=rows><thead><tr><th scope=col>policy</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"<details><summary>What the columns say</summary><dl>{meant}</dl></details></section>"
    )


def cells(row: Row, goal: float) -> list[str]:
    """A row's figures, formatted, in the order of ``COLUMNS``."""
    missed = "" if row["attainment"] is None or words.kept(row, goal) else " ✗"
    return [
        words.percent(row["attainment"]) + missed,
        words.usd(row["cost_usd"]),
        words.percent(row["attainment_strict"]),
        *(words.latency(row[which][q]) for which in ("ttft_s", "tpot_s") for q in ("p50", "p90", "p99")),
        words.usd(row["usd_per_million_tokens"]),
        words.number(row["gpu_hours"]),
        words.number(row["standby_gpu_hours"]),
        words.number(row["mean_replicas"], 2),
        f"{row['scale_ups']} / {row['scale_downs']}",
        f"{words.number(row['rejected'], 0)} / {words.number(row.get('lost'), 0)}",
    ]


# --- the pictures ------------------------------------------------------------------------------------------------


def _cost(results: Sequence[Result], case: Case) -> str:
    rows = [r.row for r in results]
    data = [[r["policy"], words.usd(r["cost_usd"]), words.percent(r["attainment"], 3)] for r in rows]
    note = "Further up and further left is better; each line up is fewer misses, by equal factors."
    if any(words.is_oracle(row) for row in rows):
        note += BOUND
    wide, narrow = (pictures.scatter(results, case, width) for width in (pictures.WIDE, pictures.NARROW))
    return _figure(
        words.trade(rows),
        f"<div class=wide>{wide}</div><div class=narrow>{narrow}</div>",
        note,
        _table(["policy", "cost", "attainment"], data),
    )


def _replicas(results: Sequence[Result], case: Case) -> str:
    load = pictures.filled(case)
    short = [pictures.short_share(result, load) for result in results]
    captions = [
        f"{_key(look)}<b>{escape(r.row['policy'])}</b> {words.number(r.row['mean_replicas'])} on average, "
        f"short {words.percent(share, 1)}"
        for r, look, share in zip(results, pictures.looks(results), short, strict=True)
    ]
    shown = zip(pictures.panels(results, case), captions, strict=True)
    panels = "".join(f"<figure><figcaption>{caption}</figcaption>{panel}</figure>" for panel, caption in shown)
    shares = dict(zip((r.row["policy"] for r in results), short, strict=True))
    return _figure(
        words.followed([r.row for r in results], shares),
        f"<div class=panels>{panels}</div>",
        "Lines: replicas serving. Area: replicas that the offered load fills (load / ρ_max), a minute each. "
        "Short: the share of minutes that begin with the line below the area. Time counts from the start of the trace.",
        _over_time(results, load.tolist()),
    )


def _over_time(results: Sequence[Result], load: Sequence[float]) -> str:
    """Lowest to highest of every series, in lines of as many minutes as keep the table readable."""
    series = [[float(serving) for _, serving, _ in result.timeline] for result in results]
    # The first sample is taken one minute after the start, the first minute's load begins at the start.
    columns = [load, *([None, *values] for values in series)]
    minutes = max(len(column) for column in columns)
    every = -(-minutes // MOST_TABLE_ROWS)
    data = [
        [words.span(first * TIMELINE_S), *(_range(column[first : first + every]) for column in columns)]
        for first in range(0, minutes, every)
    ]
    return _table(["from", "load / ρ_max", *(r.row["policy"] for r in results)], data)


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return words.DASH
    low, high = f"{min(known):.3g}", f"{max(known):.3g}"
    return low if low == high else f"{low} to {high}"


def _figure(title: str, drawn: str, note: str, table: str) -> str:
    return (
        f"<section><h2>{escape(title)}</h2>{drawn}<p class=note>{escape(note)}</p>"
        f"<details><summary>Data</summary><div class=scroll>{table}</div></details></section>"
    )


# --- the terms ---------------------------------------------------------------------------------------------------


def _terms(case: Case) -> str:
    slo, pool, rho = case.policy.slo, case.pool, case.rho()
    ttft = f"{slo.ttft_s:g} s" + (
        f" + {slo.ttft_s_per_1k_tokens:g} s per 1,000 prompt tokens" if slo.ttft_s_per_1k_tokens else ""
    )
    leads = "; ".join(f"{tier.value} {t.p50_s:g} s (P90 {t.p90_s:g} s)" for tier, t in pool.lead_times.items())
    told = [
        ["Promise", f"TTFT {ttft}, TPOT {1000 * slo.tpot_s:g} ms, for {words.percent(slo.attainment)} of requests"],
        ["Replicas", f"{case.policy.replicas.min} to {case.policy.replicas.max}, {case.first_replicas()} at the start"],
        ["Pool", f"{pool.gpus_per_replica} × {pool.gpu} a replica, ${pool.price_usd_per_gpu_hour:g} per GPU-hour"],
        ["Lead times", leads],
        ["Step time", _law(case)],
        ["ρ_max", f"{rho.value:.2f}, bound by {rho.binding}"],
        ["Seed", str(case.seed)],
    ]
    return f"<section><h2>The terms, alike for all</h2>{_table(['', ''], told, 'terms')}</section>"


def _law(case: Case) -> str:
    step = case.pool.step
    return (
        f"{step.a_ms:g} ms + {step.b_ms_per_seq:g} per sequence + {step.k_ms_per_1k_kv_tokens:g} per 1,000 KV tokens "
        f"+ {step.p_ms_per_1k_prefill_tokens:g} per 1,000 prompt tokens"
    )


def _key(look: pictures.Look) -> str:
    mark = svg.marker(look.shape, 8, 8, f"mark {look.colour}")
    return f'<svg class=key viewBox="0 0 16 16" aria-hidden="true">{mark}</svg>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], css: str = "data") -> str:
    names = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    shown = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr><th scope=row>{escape(first)}</th>{_cells(rest)}</tr>" for first, *rest in rows)
    return f"<table class={css}>{shown}<tbody>{body}</tbody></table>"


def _cells(values: Iterable[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)
