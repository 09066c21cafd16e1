"""``leadtime backtest``: what each policy would have done on recorded traffic."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import history, output
from app.cli.up import BUILT_IN
from app.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.settings import ServiceSettings
    from autoscaler.backtest.case import Case
    from autoscaler.backtest.play import Shares
    from autoscaler.backtest.run import Result
    from autoscaler.policy import Policy
    from runtime.traces import Trace

HELP = "Play recorded traffic against policies: what each would have cost, and what it would have attained."
COLUMNS = [
    "policy",
    "attainment",
    "strict",
    "TTFT P99 s",
    "TPOT P99 ms",
    "GPU-hours",
    "USD",
    "USD/1M",
    "replicas",
    "moves",
]


def backtest(
    traces: Annotated[
        list[Path] | None, typer.Argument(help="Traces; the i-th is the traffic of the i-th service.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Fleet file; the built-in fleet if absent.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy to try instead of the fleet file's.")] = None,
    against: Annotated[
        str, typer.Option(help="Contenders beside ours, with commas; hpa@32 turns a main knob.")
    ] = "hpa,keda-slo,knative",
    seed: Annotated[int, typer.Option(min=0, help="Seed of lead times, and of the requests of a history.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if absent.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures here.")] = None,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Play the vLLM history of this Prometheus instead of traces.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Where its span starts: ISO 8601 or seconds, UTC.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Where its span ends.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Its label model_name, with commas for several services; else the service's name."),
    ] = None,
    step_s: Annotated[int, typer.Option(min=1, max=3600, help="Grain of the history; no less than a scrape.")] = 60,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Play everything again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare; rows that were played before, on the same traffic, terms and code, come from the cache."""
    names = contenders(against)
    if (prometheus is None) == (not traces):
        raise UserError("what to play is not clear; give traces, or --prometheus URL with --from and --to")
    gaps: list[dict[str, Any]] = []
    if prometheus is None:
        cases = cases_of(traces or [], config, policy, seed)
    else:
        past = history.history(prometheus, begin, end, step_s)
        cases, gaps = remembered(past, model, config, policy, seed)
    if html is not None and len(cases) > 1:
        raise UserError(f"--html {html}: one page shows one trace; give one trace")
    runs: list[dict[str, Any]] = []
    for case in cases:
        results = played(case, names, None if no_cache else cache_folder(), jobs)
        runs += [results[name].row for name in names]
        if not json:
            rows = [row_of(results[name].row) for name in names]
            output.out().print(output.table(f"{case.name} as {case.pool.name}", COLUMNS, rows, numbers=9))
            if case.more_pools:
                output.out().print(pools_of(case))
            bound = bound_of(case)
            output.out().print(
                f"Knowing all arrivals, no policy could spend less than {bound['gpu_hours']:.1f} GPU-hours at "
                f"{bound['attainment']:.1%} (fluid bound)."
            )
        if html is not None:
            write_page(html, case, [results[name] for name in names])
    if json:
        document = {"runs": runs, "bounds": [bound_of(case) for case in cases]}
        output.json_out(document if prometheus is None else document | {"gaps": gaps})


def pools_of(case: Case) -> str:
    """Who plays with which of several pools."""
    ours = ", ".join(pool.name for pool in case.pools)
    return f"leadtime plays with {ours}; the peers, and the bound below, with {case.pool.name} alone."


def bound_of(case: Case) -> dict[str, Any]:
    """What no policy can go below on a case, in the fluid model and knowing all arrivals."""
    from autoscaler.backtest.registry import least_of

    bound = least_of(case)
    gpu_hours = bound.replica_s * case.pool.gpus_per_replica / 3600
    return {"trace": case.name, "attainment": bound.attainment, "gpu_hours": gpu_hours}


def contenders(against: str) -> list[str]:
    """Ours, and every name that was asked for; raises ``UserError`` for one that nobody has."""
    from autoscaler.backtest.registry import OURS, split

    names = [OURS, *(name.strip() for name in against.split(",") if name.strip())]
    for name in names:
        try:
            split(name)
        except ValueError as error:
            raise UserError(f"--against {error}") from None
    return list(dict.fromkeys(names))


def cases_of(traces: list[Path], config: Path | None, policy: Path | None, seed: int) -> list[Case]:
    """One case a trace, on the services of the fleet file in their order."""
    from runtime.traces import TraceError, load

    services, chosen = fleet(config, policy)
    if len(traces) > len(services):
        raise UserError(f"{len(traces)} traces for {len(services)} services; give at most one trace per service")
    cases = []
    for path, service in zip(traces, services, strict=False):
        try:
            cases.append(case_of(path.name, service, chosen, load(path), seed))
        except TraceError as error:
            raise UserError(str(error)) from None
    return cases


def remembered(
    past: history.History, model: str | None, config: Path | None, policy: Path | None, seed: int
) -> tuple[list[Case], list[dict[str, Any]]]:
    """One case a model of the history, and what is missing in it."""
    services, chosen = fleet(config, policy)
    by_name = {service.name: service for service in services}
    cases, gaps = [], []
    for name, served in history.models(model, list(by_name)).items():
        trace, holes = past.trace(served, seed)
        missing = past.gaps(name, holes)
        history.tell(name, missing, trace.notes)
        cases.append(case_of(served, by_name[name], chosen, trace, seed))
        gaps += missing
    return cases, gaps


def fleet(config: Path | None, policy: Path | None) -> tuple[list[ServiceSettings], Policy | None]:
    """The services of the fleet file, and the policy to try instead of theirs."""
    from app.settings import load as load_settings
    from app.yamlfile import load_yaml
    from autoscaler.policy import Policy

    return load_settings(config or BUILT_IN).services, load_yaml(policy, Policy) if policy else None


def case_of(name: str, service: ServiceSettings, policy: Policy | None, trace: Trace, seed: int) -> Case:
    """The service on that traffic."""
    from autoscaler.backtest.case import UNDATED_S, Case

    start_s = trace.start_s if trace.start_s is not None else UNDATED_S
    return Case(name, service.pool, policy or service.policy, trace, start_s, seed, more_pools=service.more_pools)


def cache_folder() -> Path:
    """Where results are kept between calls."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "leadtime" / "backtest"


def played(case: Case, names: list[str], folder: Path | None, jobs: int | None) -> dict[str, Result]:
    """All results by name, with a bar per contender that is still being played."""
    from autoscaler.backtest.play import play

    with bars(names) as told:
        return {names[index]: result for index, result in play([(case, name) for name in names], folder, told, jobs)}


@contextmanager
def bars(names: list[str]) -> Iterator[Shares]:
    """Progress with the time that is left, on stderr."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err(), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def told(shares: Sequence[float]) -> None:
            for name, share in zip(names, shares, strict=True):
                if 0 < share < 1 and name not in tasks:
                    tasks[name] = progress.add_task(name, total=1.0)
                if name in tasks:
                    progress.update(tasks[name], completed=share)

        yield told


def row_of(row: dict[str, Any]) -> list[str]:
    """A contender as a line."""
    return [
        row["policy"],
        share(row["attainment"]),
        share(row["attainment_strict"]),
        output.number(row["ttft_s"]["p99"]),
        output.number(None if row["tpot_s"]["p99"] is None else 1000 * row["tpot_s"]["p99"], 0),
        output.number(row["gpu_hours"], 1),
        output.number(row["cost_usd"], 0),
        output.number(row["usd_per_million_tokens"], 3),
        output.number(row["mean_replicas"]),
        str(row["scale_ups"] + row["scale_downs"]),
    ]


def share(value: float | None) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{value:.2%}"


def write_page(path: Path, case: Case, results: list[Result]) -> None:
    """The page with pictures."""
    from autoscaler.backtest.page import page

    path.write_text(page(results, case), encoding="utf-8")
    output.err().print(f"wrote {path}")
