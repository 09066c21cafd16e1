"""An evaluation as one page: how near forecasts came, whether their promises were kept, and what they looked like.

One HTML file that needs nothing else: no script, no font, no network. Every picture has its numbers beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from app.forecasts import pictures, tables
from app.forecasts.tables import Table
from autoscaler.backtest import svg
from forecasting.evaluation.report import COMBINED, WEEK_DAYS, Evaluation, near_mean

STYLE = (Path(svg.__file__).parent / "page.css").read_text() + (Path(__file__).parent / "page.css").read_text()

FANS_S = (900.0, 3600.0)
"""Horizons that are drawn as fans; the nearest there is of each."""

MEANT = (
    "Loss is the weighted quantile loss, the pinball loss over the truth, averaged over P50, P90, P95 and P99, and "
    "relative to the last value (naive). All rows have error quantiles calibrated online in the same way. Seasonal "
    "naive is the same minute of the day before. MASE is the median's absolute error over the mean change from minute "
    "to minute. Cost is what holding the quantile costs at its shortage and idle prices (newsvendor), relative to "
    "naive. Peaks are the highest twentieth of windows. Fit s and day s: seconds of one core for a fit, and to tell "
    "forecasts from every minute of a day."
)


def page(name: str, unit: str, evaluations: Sequence[Evaluation], notes: Sequence[str] = ()) -> str:
    """The whole document. Raises ValueError without evaluations."""
    if not evaluations:
        raise ValueError("a page needs evaluations; give one or more")
    title = f"Forecasts of {escape(name)}"
    told = "".join(f"<p>{escape(line)}</p>" for line in (_terms(unit, evaluations[0]), *notes))
    sections = "".join(_section(evaluation, unit) for evaluation in evaluations)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class=eyebrow>{title}</p><h1>{escape(headline(evaluations))}</h1>{told}</header>"
        f"{sections}<section><h2>What the columns say</h2><p class=note>{escape(MEANT)}</p></section>"
        "</main></body></html>\n"
    )


def headline(evaluations: Sequence[Evaluation]) -> str:
    """What all experts together gained on the last value, and how well they kept their promises."""
    gains = [1 - near_mean(one, one.row()["wql_vs_last"]) for one in evaluations]
    off = max(tables.worst(np.asarray(one.row()["coverage"]), one.plan.taus) for one in evaluations)
    said = " and ".join(
        f"{_gain(gain)} for the {tables.what(one)}" for gain, one in zip(gains, evaluations, strict=True)
    )
    return f"Against the last value {said}; P90 to P99 kept within {100 * off:.1f} points"


def _gain(gain: float) -> str:
    if not np.isfinite(gain):
        return "nothing known"
    return f"{100 * abs(gain):.0f} % {'less' if gain >= 0 else 'more'} loss"


def _terms(unit: str, evaluation: Evaluation) -> str:
    days = len(evaluation.truth) * evaluation.step_s / 86400
    broken = f", {len(evaluation.outages)} outages put in and not scored" if evaluation.outages else ""
    return (
        f"{unit[0].upper()}{unit[1:]}; {days:.3g} days told minute by minute and refitted daily, out of sample{broken}."
    )


def _section(evaluation: Evaluation, unit: str) -> str:
    what, plot = tables.what(evaluation), pictures.calibration(evaluation)
    return (
        f"<section><h2>{escape(what[0].upper() + what[1:])}</h2>{_fans(evaluation, unit)}"
        f"<h3>{escape(_kept(evaluation))}</h3>{_legend(evaluation)}<div class=plot>{plot}</div>"
        f"<p class=note>How often the truth lay at or under each quantile, less what it promised, in points; shaded: "
        f"within {100 * pictures.LEEWAY:g}.</p>{_table(tables.coverages(evaluation))}"
        f"<h3>{escape(_best(evaluation))}</h3>{_bars(evaluation)}{_table(tables.losses(evaluation))}"
        f"{_table(tables.costs(evaluation))}{_table(tables.weeks(evaluation))}</section>"
    )


def _fans(evaluation: Evaluation, unit: str) -> str:
    ahead = np.array(evaluation.plan.horizons) * evaluation.step_s
    chosen = dict.fromkeys(int(np.argmin(np.abs(ahead - wanted))) for wanted in FANS_S)
    names = tables.minutes(evaluation)
    drawn = "".join(
        f"<figure><figcaption><b>{names[i]} ahead</b>, {escape(unit)}</figcaption>"
        f'<div class="scroll fan">{pictures.fan(evaluation, i)}</div></figure>'
        for i in chosen
    )
    note = (
        f"The last {pictures.FAN_DAYS} days. Black or white: what came. Blue line: P50; the darker band reaches to the "
        "P95, the lighter to the P99, each as it was told that long before. Days count from the series' minute 0."
    )
    return f"{drawn}<p class=note>{note}</p>"


def _kept(evaluation: Evaluation) -> str:
    off = tables.worst(np.asarray(evaluation.row()["coverage"]), evaluation.plan.taus)
    weeks = [tables.worst(np.asarray(week["coverage"]), evaluation.plan.taus) for week in evaluation.weeks]
    said = f"P90, P95 and P99 were kept within {100 * off:.1f} points at every horizon"
    return said + (f", and within {100 * max(weeks):.1f} in every week of {WEEK_DAYS} days" if weeks else "")


def _best(evaluation: Evaluation) -> str:
    means = {row["forecast"]: near_mean(evaluation, row["wql_vs_last"]) for row in evaluation.rows}
    alone = {name: value for name, value in means.items() if name != COMBINED and np.isfinite(value)}
    if not alone:
        return "Loss relative to last value"
    best = min(alone, key=lambda name: alone[name])
    return (
        f"Loss relative to last value: {means[COMBINED]:.3f} together; the best alone is {best} with {alone[best]:.3f}"
    )


def _legend(evaluation: Evaluation) -> str:
    keys = "".join(
        f'<span><svg class=key viewBox="0 0 16 16" aria-hidden="true">'
        f"{svg.marker(pictures.shape(i), 8, 8, f'mark c{i % 8}')}</svg>{name}</span>"
        for i, name in enumerate(tables.minutes(evaluation))
    )
    return f"<div class=legend>{keys}</div>"


def _bars(evaluation: Evaluation) -> str:
    shown = zip(tables.minutes(evaluation), pictures.bars(evaluation), strict=True)
    panels = "".join(f"<figure><figcaption><b>{name}</b></figcaption>{panel}</figure>" for name, panel in shown)
    return f"<div class=panels>{panels}</div>"


def _table(table: Table) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.columns)
    body = "".join(
        f"<tr{' class=ours' if first == COMBINED else ''}><th scope=row>{escape(first)}</th>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in table.rows
    )
    return (
        f"<details><summary>{escape(table.title)}</summary><div class=scroll><table class=data>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )
