"""Our forecasts and the peers' side by side: losses, coverage, and what they take.

python -m benchmarks.forecast TRACES_FOLDER [--series m-small,m-large] [--only ours] [--keep FOLDER] [--json FILE]

Offered load of the ServeGen series at 1 to 60 minutes, trained on the first week, refitted daily, asked and scored at
every minute after it. Every row is one way to forecast a middle, with error quantiles that are calibrated online in the
same way (``forecasting.evaluation``): naive (the last value), seasonal naive, our experts each alone, all of ours, and
the peers (``benchmarks.forecast_peers``), whose calibration has two days of forecasts to start from. ``--keep`` writes
what the peers said, which takes most of the time, and reads it next time. Rows "own intervals" show statsforecast's
own, as they are. Coverage is shown by week of the series: the first with training on its first day alone, and both once
more so with outages put in; beside it what chance would do to an honest forecast on the same minutes
(``forecasting.evaluation.honest``). Then what a fit of 10,000 minutes and forecasts of 100 services take of a core.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from app.forecasts.kinds import Of
from app.forecasts.tables import worst
from app.forecasts.wanted import history_of
from benchmarks.contenders import large, small
from benchmarks.forecast_peers import AHEAD, Paths, filled, line_up, missing, rolled
from forecasting.evaluation.honest import worst_misses
from forecasting.evaluation.references import bare
from forecasting.evaluation.report import (
    COMBINED,
    HORIZONS,
    LAST,
    TAUS,
    Evaluation,
    Plan,
    document,
    evaluate,
    near_mean,
    score,
    training_cells,
)
from forecasting.evaluation.rolling import Run, Told, roll
from forecasting.experts import installed
from forecasting.experts.expert import Model
from forecasting.forecaster import Forecaster
from forecasting.history import DAY_S, Array, History, Target
from forecasting.panel import Panel
from forecasting.series import read

WARM_DAYS = 2
"""Before the first score, peers forecast so many days from a fit of their own, to have errors to calibrate with."""

POOLS = {"m-small": small, "m-large": large}
NEAR = 0.015
"""Coverage is near what was promised if it is no farther from it."""

DRAWS = 300
"""Honest forecasts that each week is compared with."""

POINTS = 10_000
SERVICES = 100


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """A peer as an expert: what it said (n, horizons) as of cell ``first`` on, square roots."""

    name: str
    first: int
    middle: Array
    version: int = 1
    needs_s: float = 0.0

    def fit(self, history: History, target: Target, seed: int) -> Model:
        """Was done before."""
        return {}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """See ``Expert.predict``."""
        wanted = np.full((last - first + 1, len(target.horizons)), np.nan)
        begin, end = max(first, self.first), min(last, self.first + len(self.middle) - 1)
        wanted[begin - first : end + 1 - first] = self.middle[begin - self.first : end + 1 - self.first]
        return bare(wanted, target)


def cpu_s() -> float:
    """Seconds of one core that this process and its ended children have used: Prophet fits in a child."""
    return sum(os.times()[:4])


# --- one piece of work each, in a process ----------------------------------------------------------------------------


def ours(history: History, peak: bool, plan: Plan) -> Evaluation:
    """All of ours on one series and target."""
    return evaluate(history, installed(), peak, plan, cpu_s)


def peer(history: History, index: int, kept: Path | None) -> tuple[Paths, dict[str, float]]:
    """What a peer said from ``WARM_DAYS`` before the first score on, and the seconds of a fit and of a forecast."""
    if kept is not None and kept.exists():
        return restored(kept)
    begin, took_s = training_cells(history, Plan().train_days), dict[str, float]()
    ends = [begin - WARM_DAYS * history.day, *range(begin, len(history.roots), history.day)]
    said = rolled(line_up()[index], filled(history.roots**2), ends, took_s, cpu_s)
    if kept is not None:
        upper: dict[str, Any] = {} if said.upper is None else {"upper": said.upper}
        np.savez(kept, middle=said.middle, took_s=np.array([took_s["fit"], took_s["predict"]]), **upper)
    return said, took_s


def restored(kept: Path) -> tuple[Paths, dict[str, float]]:
    """What ``peer`` kept."""
    with np.load(kept) as file:
        fit_s, predict_s = file["took_s"].tolist()
        return Paths(file["middle"], file.get("upper")), {"fit": fit_s, "predict": predict_s}


# --- peers on the same scale -----------------------------------------------------------------------------------------


def calibrated(name: str, history: History, said: tuple[Paths, dict[str, float]], target: Target) -> Told:
    """A peer's middles with calibrated errors."""
    paths, took_s = said
    middle = np.sqrt(np.maximum(at_horizons(paths.middle, target), 0.0))
    expert = Recalled(name, history.last + 1 - len(middle), middle)
    first = history.first + training_cells(history, Plan().train_days)
    run = Run(history, target, {name: (expert,)}, first)  # type: ignore[dict-item]  # frozen, and so not to be set
    (told,) = roll(run, cpu_s)
    return Told(name, told.roots, took_s["fit"], took_s["predict"] * history.day)


def own_intervals(name: str, history: History, said: tuple[Paths, dict[str, float]], target: Target) -> Told | None:
    """A peer's own quantiles at the horizon, where it has them; of the maximum nobody has any."""
    paths, took_s = said
    if paths.upper is None or target.peak:
        return None
    first = history.first + training_cells(history, Plan().train_days)
    whole = np.concatenate([paths.middle[..., None], paths.upper], axis=2)[first - history.last - 1 :]
    roots = np.sqrt(np.maximum(whole[:, np.array(target.horizons) - 1], 0.0))
    return Told(f"{name}, own intervals", roots, took_s["fit"], took_s["predict"] * history.day)


def at_horizons(paths: Array, target: Target) -> Array:
    """Of paths (n, AHEAD) the value at each horizon, or the maximum until then."""
    assert target.horizons[-1] <= AHEAD
    return (np.maximum.accumulate(paths, axis=1) if target.peak else paths)[:, np.array(target.horizons) - 1]


def side_by_side(history: History, made: Evaluation, said: dict[str, tuple[Paths, dict[str, float]]]) -> Evaluation:
    """Ours and the peers, scored on the same minutes."""
    target = Target(HORIZONS, TAUS, made.peak)
    told = [Told(row["forecast"], roots_of(made, row), row["fit_s"], row["predict_s"]) for row in made.rows]
    for name, one in said.items():
        told.append(calibrated(name, history, one, target))
        own = own_intervals(name, history, one, target)
        told += [own] if own is not None else []
    return score(history, told, target, made.plan, made.first)


def roots_of(made: Evaluation, row: dict[str, Any]) -> Array:
    """What was told, as it had been before it was scored."""
    return np.sqrt(made.told[row["forecast"]])


# --- costs -----------------------------------------------------------------------------------------------------------


def fit_s(history: History) -> float:
    """CPU seconds to fit all experts on ``POINTS`` minutes, all horizons and quantiles, once they are known."""
    past = history.until(history.first + POINTS - 1)
    panel = Panel(Target(HORIZONS, TAUS), past.step_s)
    panel = panel.refit(past.until(past.last - past.day))
    begun_s = time.process_time()
    panel.refit(past)
    return time.process_time() - begun_s


def tick_s(history: History) -> tuple[float, float]:
    """CPU seconds in which ``SERVICES`` services tell a forecast, and in which they learn from a minute."""
    split = len(history.roots) - SERVICES
    times, values = 60.0 * np.arange(len(history.roots), dtype=np.float64), history.roots**2
    forecaster = Forecaster("chat")
    forecaster.load(times[:split], values[:split])
    forecaster.refit()
    told_s = learned_s = 0.0
    for at_s, value in zip(times[split:].tolist(), values[split:].tolist(), strict=True):
        begun_s = time.process_time()
        forecaster.update(at_s, value)
        closed_s = time.process_time()
        forecaster.forecast(at_s)
        told_s, learned_s = told_s + time.process_time() - closed_s, learned_s + closed_s - begun_s
    return told_s, learned_s


# --- tables ----------------------------------------------------------------------------------------------------------


def losses(name: str, made: Evaluation) -> Table:
    """Ratios to naive by horizon, and coverage over all horizons."""
    over = [f"P{100 * tau:g} %" for tau in TAUS]
    table = Table(title=f"{name}, {which(made)}: loss / naive, and how often each quantile was kept")
    table.add_column("forecast")
    columns = (*(f"{h} min" for h in HORIZONS), "≥ 5 min", "/ seasonal", "MASE", "P95 cost", "peaks %", *over, "fit s")
    for column in columns:
        table.add_column(column, justify="right")
    for row in made.rows:
        means = [near_mean(made, row[key]) for key in ("wql_vs_last", "wql_vs_seasonal", "mase", "newsvendor_vs_last")]
        shares = [near_mean(made, row["peak_hits"]), *np.asarray(row["coverage"]).mean(axis=0)]
        cells = [*(f"{x:.3f}" for x in (*row["wql_vs_last"], *means)), *(f"{100 * x:.1f}" for x in shares)]
        table.add_row(
            row["forecast"], *cells, f"{row['fit_s']:.2f}", style="bold" if row["forecast"] == COMBINED else ""
        )
    return table


@dataclass(frozen=True, slots=True)
class Kept:
    """A week of one evaluation: how far its worst quantile was from its promise, and how far those of honest forecasts
    are: shares."""

    series: str
    outages: str
    made: Evaluation
    week: dict[str, Any]
    far: float
    honest: Array


def kept(series: str, outages: str, made: Evaluation) -> list[Kept]:
    """Every week, with what chance alone would do to it."""
    promised = Target(HORIZONS, tuple(tau for tau in TAUS if tau >= 0.9), made.peak)
    weeks = []
    for week in made.weeks:
        begin, cells = week["first_minute"] - made.first, round(week["days"] * DAY_S / made.step_s)
        honest = worst_misses(np.isfinite(made.truth[begin : begin + cells]), promised, DRAWS)
        weeks.append(Kept(series, outages, made, week, worst(week["coverage"], TAUS), honest))
    return weeks


def coverages(weeks: Sequence[Kept]) -> Table:
    """Coverage of ours in every week, the horizon that is least and most covered, and whether simpler did better."""
    table = Table(title="how often ours kept its quantiles, least to most covered horizon")
    names, promises = ("series", "target", "outages"), ("P90 %", "P95 %", "P99 %")
    honest = (f"honest: within {100 * NEAR:g}, %", "honest: 9 in 10 within")
    for column in (*names, "week", *promises, "worst, points", *honest, "loss / simple"):
        table.add_column(column, justify="left" if column in names else "right")
    for one in weeks:
        covered = 100 * one.week["coverage"][:, 2:]
        ranges = [f"{low:.1f} – {high:.1f}" for low, high in zip(covered.min(axis=0), covered.max(axis=0), strict=True)]
        chance = f"{100 * (one.honest <= NEAR).mean():.0f}", f"{100 * np.quantile(one.honest, 0.9):.1f}"
        loss = f"{near_mean(one.made, one.week['wql_vs_best_simple']):.3f}"
        week = f"{one.week['week']} ({one.week['days']:.3g} d)"
        table.add_row(one.series, which(one.made), one.outages, week, *ranges, f"{100 * one.far:.1f}", *chance, loss)
    return table


def tally(weeks: Sequence[Kept]) -> str:
    """How many weeks are near, and how many would be by chance."""
    near = sum(one.far <= NEAR for one in weeks)
    expected = sum(float((one.honest <= NEAR).mean()) for one in weeks)
    usual = sum(one.far <= np.quantile(one.honest, 0.9) for one in weeks)
    return (
        f"within {100 * NEAR:g} points in {near} of {len(weeks)} weeks, an honest forecast in {expected:.1f}; "
        f"{usual} of {len(weeks)} are no farther off than nine in ten honest forecasts"
    )


def which(made: Evaluation) -> str:
    """The target, short."""
    return "maximum within" if made.peak else "at the horizon"


def main() -> None:
    """Do everything on all cores, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--series", default="m-small,m-large")
    parser.add_argument("--only", choices=["ours"], help="leave the peers out")
    parser.add_argument("--keep", type=Path, help="a folder for what the peers said")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    begun_s, console = time.perf_counter(), Console(width=200)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    histories = {
        name: history_of(read(given.traces / f"servegen-{name}-minutes.parquet"), Of.LOAD, POOLS[name]().step)
        for name in given.series.split(",")
    }
    peers = [] if given.only else asked(console)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        found = compared(pool, histories, peers, given.keep, console)
    costs(next(iter(histories.values())), console)
    console.print(f"{time.perf_counter() - begun_s:.0f} s in all; ratios to {LAST}; trained on {Plan().train_days:g} d")
    if given.json:
        rows = [{"series": name} | document(one) for (name, _), one in found.items()]
        given.json.write_text(json.dumps(rows, indent=1))


def compared(
    pool: Executor, histories: dict[str, History], peers: list[tuple[int, str]], keep: Path | None, console: Console
) -> dict[tuple[str, bool], Evaluation]:
    """Submit everything, the slowest first, and print as it comes back; gives the comparison by series and target."""
    said = {
        (name, one): pool.submit(peer, history, index, keep and keep / f"{name} {one}.npz")
        for name, history in histories.items()
        for index, one in peers
    }
    made = {(n, peak): pool.submit(ours, h, peak, Plan()) for n, h in histories.items() for peak in (False, True)}
    young = {key: pool.submit(ours, first_week(histories[key[0]]), key[1], Plan(train_days=1)) for key in made}
    broken = Plan(train_days=1, outage_seed=0)
    beset = {key: pool.submit(ours, histories[key[0]], key[1], broken) for key in made}
    found = {}
    for name, peak in made:
        theirs = {other: said[name, other].result() for _, other in peers}
        found[name, peak] = side_by_side(histories[name], made[name, peak].result(), theirs)
        console.print(losses(name, found[name, peak]))
    weeks = []
    for key in made:
        weeks += [*kept(key[0], "none", young[key].result()), *kept(key[0], "none", found[key])]
        weeks += kept(key[0], "put in", beset[key].result())
    console.print(coverages(weeks), tally(weeks))
    return found


def first_week(history: History) -> History:
    """The part that the side by side trains on."""
    return history.until(history.first + 7 * history.day - 1)


def costs(history: History, console: Console) -> None:
    """What a fit and what forecasts take."""
    told_s, learned_s = tick_s(history)
    console.print(f"fit of {POINTS:,} minutes, all horizons and quantiles: {fit_s(history):.2f} s of one core")
    took = f"{told_s:.3f} s of one core; learn from a minute: {learned_s:.3f} s"
    console.print(f"{SERVICES} services tell a forecast: {took}")


def asked(console: Console) -> list[tuple[int, str]]:
    """Peers that can be asked, by their place in the line-up; who cannot is told."""
    able = []
    for index, one in enumerate(line_up()):
        reason = missing(one)
        if reason is None:
            able.append((index, one.name))
        else:
            console.print(reason)
    return able


if __name__ == "__main__":
    main()
