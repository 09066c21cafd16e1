"""``leadtime forecast``: how good forecasts of a recorded series would have been."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.errors import UserError
from app.forecasts.kinds import UNITS, Of, Which

if TYPE_CHECKING:
    from forecasting.evaluation.report import Evaluation, Plan
    from forecasting.history import History
    from forecasting.series import Series
    from runtime.pool import StepTime

HELP = "Forecasts of recorded series: how accurate, and how well calibrated."
EVALUATE = "Roll forecasts over series, out of sample: losses, coverage and costs, per expert and together."

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Keeps ``evaluate`` a command of its own while it is the only one."""


@app.command("evaluate", help=EVALUATE)
def evaluate(
    series: Annotated[list[Path], typer.Argument(help="Minutes: requests, input_tokens, output_tokens.")],
    of: Annotated[Of, typer.Option(help="What is forecast.")] = Of.LOAD,
    pool: Annotated[
        str | None, typer.Option(help="Pool whose step time turns tokens into load; the fleet file's first if absent.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Fleet file; the built-in fleet if absent.")] = None,
    target: Annotated[Which, typer.Option(help="The value at the horizon, or the greatest until then.")] = Which.BOTH,
    train_days: Annotated[float, typer.Option(min=1, help="Days before the first score; less on short series.")] = 7.0,
    tau: Annotated[float, typer.Option(help="Quantile that capacity is held for.")] = 0.95,
    inject_outages: Annotated[
        bool, typer.Option("--inject-outages", help="Break some hours, and score the others.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=1 << 30, help="Seed of fits and of outages.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write forecast.json and a page a series here.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read everything first, so that a mistake is told at once; then roll, tell, write."""
    plan = plan_of(train_days, tau, seed, inject_outages)
    step = step_of(pool, config)
    recorded = [loaded(path) for path in series]
    names = [one.name for one in recorded]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"--out {out}: two series are called {twice}, and each gets a page; rename one")
    peaks = {Which.END: [False], Which.PEAK: [True], Which.BOTH: [False, True]}[target]
    made = evaluated(recorded, of, step, peaks, plan)
    pairs = list(zip(recorded, made, strict=True))
    document = {"series": [document_of(one, of, evaluations) for one, evaluations in pairs]}
    if out is not None:
        write(out, document, {one.name: page_of(one, of, evaluations) for one, evaluations in pairs})
    if json:
        return output.json_out(document)
    for one, evaluations in pairs:
        show(one, of, evaluations)


def plan_of(train_days: float, tau: float, seed: int, outages: bool) -> Plan:
    """How to evaluate; raises ``UserError`` for a quantile that is not forecast."""
    from forecasting.evaluation.report import TAUS, Plan

    if tau not in TAUS:
        raise UserError(f"--tau {tau:g}: not a quantile that is forecast; give one of {', '.join(map(str, TAUS))}")
    return Plan(train_days=train_days, tau=tau, outage_seed=seed if outages else None, seed=seed)


def step_of(pool: str | None, config: Path | None) -> StepTime:
    """The step time of that pool, or of the first in the fleet file; raises ``UserError``."""
    from app.cli.simulate import chosen_pool
    from app.cli.up import BUILT_IN
    from app.settings import load

    if pool is not None:
        return chosen_pool(pool, config, 0.0).step
    return load(config or BUILT_IN).services[0].pool.step


def loaded(path: Path) -> Series:
    """The series, or one line that says why not."""
    from forecasting.series import SeriesError, read

    try:
        return read(path)
    except SeriesError as error:
        raise UserError(str(error)) from None


def evaluated(recorded: list[Series], of: Of, step: StepTime, peaks: list[bool], plan: Plan) -> list[list[Evaluation]]:
    """Evaluations by series and target, with a bar; raises ``UserError`` for a series that is too short."""
    from app.forecasts.wanted import history_of

    histories = [checked(one, history_of(one, of, step), plan) for one in recorded]
    with bar(len(histories) * len(peaks)) as part:
        return [[rolled(history, peak, plan, part()) for peak in peaks] for history in histories]


def checked(series: Series, history: History, plan: Plan) -> History:
    """The history, if it is long enough."""
    from forecasting.evaluation.report import TooShort, training_cells

    try:
        training_cells(history, plan.train_days)
    except TooShort as error:
        raise UserError(f"{series.name}: {error}") from None
    return history


def rolled(history: History, peak: bool, plan: Plan, progress: Callable[[float], None]) -> Evaluation:
    """One series and target, with all experts that are installed."""
    from forecasting.evaluation.report import evaluate
    from forecasting.experts import installed

    return evaluate(history, installed(), peak, plan, time.process_time, progress)


@contextmanager
def bar(parts: int) -> Iterator[Callable[[], Callable[[float], None]]]:
    """A bar with the time that is left, on stderr; each call gives the progress of the next part."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err(), transient=True) as progress:
        task, done = progress.add_task("forecasting", total=float(parts)), iter(range(parts))

        def part() -> Callable[[float], None]:
            before = next(done)
            return lambda share: progress.update(task, completed=before + share)

        yield part


def document_of(series: Series, of: Of, evaluations: list[Evaluation]) -> dict[str, Any]:
    """A series as JSON."""
    from forecasting.evaluation.report import document

    return {
        "series": series.name,
        "of": of.value,
        "unit": UNITS[of],
        "minutes": len(series.requests),
        "notes": list(series.notes),
        "evaluations": [document(evaluation) for evaluation in evaluations],
    }


def show(series: Series, of: Of, evaluations: list[Evaluation]) -> None:
    """For people."""
    from app.forecasts.tables import tables

    console = output.out()
    for note in series.notes:
        output.err().print(f"{series.name}: {note}")
    for evaluation in evaluations:
        for told in tables(evaluation):
            title = f"{series.name}, {of}, {told.title}"
            console.print(output.table(title, told.columns, told.rows, numbers=len(told.columns) - 1))


def page_of(series: Series, of: Of, evaluations: list[Evaluation]) -> str:
    """A series as a page."""
    from app.forecasts.page import page

    return page(f"{series.name}, {of.value}", UNITS[of], evaluations, series.notes)


def write(folder: Path, document: dict[str, Any], pages: dict[str, str]) -> None:
    """The document, and a page for every series by name."""
    texts = {"forecast.json": json_format.dumps(document, indent=2)}
    texts |= {f"{name}.html": page for name, page in pages.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {folder}: {error.strerror}; give a folder that can be written") from None
    output.err().print(f"wrote {', '.join(texts)} in {folder}")
