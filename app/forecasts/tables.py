"""An evaluation in tables: titles, columns and rows of text, for the terminal and the page alike.

Shares are in per cent; what is not known is a dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.report import Evaluation, Row, near_mean
from forecasting.history import Array

DASH = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """A title that says what is seen, columns, and rows whose first cell is a name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(evaluation: Evaluation) -> list[Table]:
    """All of them, in reading order."""
    return [losses(evaluation), coverages(evaluation), costs(evaluation), weeks(evaluation)]


def what(evaluation: Evaluation) -> str:
    """The target in words."""
    return "greatest value within the horizon" if evaluation.peak else "value at the horizon"


def minutes(evaluation: Evaluation) -> list[str]:
    """Names of the horizons."""
    return [f"{cells * evaluation.step_s / 60:g} min" for cells in evaluation.plan.horizons]


def losses(evaluation: Evaluation) -> Table:
    """Weighted quantile loss relative to last value, by horizon and on average, and to seasonal naive on average."""
    rows = [
        (
            row["forecast"],
            *map(_ratio, row["wql_vs_last"]),
            _ratio(near_mean(evaluation, row["wql_vs_last"])),
            _ratio(near_mean(evaluation, row["wql_vs_seasonal"])),
            _ratio(near_mean(evaluation, row["mase"]), 2),
        )
        for row in evaluation.rows
    ]
    columns = ("forecast", *minutes(evaluation), "≥ 5 min", "/ seasonal naive", "MASE")
    return Table(f"{what(evaluation)}: loss / naive (last value)", columns, tuple(rows))


def coverages(evaluation: Evaluation) -> Table:
    """How often the truth lay at or under each quantile of all together: by horizon, and by week over all horizons."""
    taus = evaluation.plan.taus
    combined = evaluation.row()["coverage"]
    rows = [(name, *map(_percent, told)) for name, told in zip(minutes(evaluation), combined, strict=True)]
    for week in evaluation.weeks:
        for label, pick in (("least", np.nanmin), ("most", np.nanmax)):
            name = f"week {week['week']} ({week['days']:.3g} d), {label}"
            rows.append((name, *map(_percent, pick(week["coverage"], axis=0))))
    columns = ("kept %", *(f"P{100 * tau:g}" for tau in taus))
    return Table(f"{what(evaluation)}: coverage of the combined forecast", columns, tuple(rows))


def weeks(evaluation: Evaluation) -> Table:
    """Whether all together were ever worse than the simplest: loss relative to the best of them, week by week."""
    rows = [
        (
            f"week {week['week']} ({week['days']:.3g} d)",
            *map(_ratio, week["wql_vs_best_simple"]),
            _ratio(near_mean(evaluation, week["wql_vs_best_simple"])),
        )
        for week in evaluation.weeks
    ]
    title = f"{what(evaluation)}: loss / best of naive, seasonal naive and seasonal"
    return Table(title, ("combined", *minutes(evaluation), "≥ 5 min"), tuple(rows))


def costs(evaluation: Evaluation) -> Table:
    """What holding one quantile costs, how many peaks it covers, how often each quantile was kept over all horizons,
    and what a fit and a day of forecasts take."""
    tau, middle = 100 * evaluation.plan.tau, len(evaluation.plan.horizons) // 2
    at = minutes(evaluation)[middle]
    rows = [_costs(evaluation, row, middle) for row in evaluation.rows]
    covered = [f"P{100 * one:g} held %" for one in evaluation.plan.taus]
    columns = ("forecast", f"cost / naive, {at}", "≥ 5 min", f"peaks held %, {at}", *covered, "fit s", "day s")
    return Table(f"{what(evaluation)}: what holding the P{tau:g} costs", columns, tuple(rows))


def _costs(evaluation: Evaluation, row: Row, middle: int) -> tuple[str, ...]:
    return (
        row["forecast"],
        _ratio(row["newsvendor_vs_last"][middle]),
        _ratio(near_mean(evaluation, row["newsvendor_vs_last"])),
        _percent(row["peak_hits"][middle]),
        *map(_percent, np.asarray(row["coverage"]).mean(axis=0)),
        _ratio(row["fit_s"], 2),
        _ratio(row["predict_s"], 2),
    )


def worst(covered: Array, taus: Sequence[float], over: float = 0.9) -> float:
    """The greatest distance of coverage (horizons, taus) from what was promised, of quantiles from ``over`` on."""
    high = np.array(taus) >= over
    return float(np.abs(covered[:, high] - np.array(taus)[high]).max())


def _ratio(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else DASH


def _percent(value: float) -> str:
    return f"{100 * value:.1f}" if np.isfinite(value) else DASH
