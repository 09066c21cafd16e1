"""``leadtime simulate``: a trace on a fixed fleet, request by request.

The pool is one of a fleet file, or of the built-in fleet, or a configuration of the silicon catalogue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    from runtime.pool import Pool
    from runtime.simulated.run import FixedFleet, Run
    from runtime.traces import Keys, Trace

HELP = "Serve a trace with a fixed number of replicas: TTFT, TPOT and end-to-end time of every request."
SHOW_PROGRESS_AFTER_S = 2.0


class SessionBy(StrEnum):
    """The column of a trace that says which requests are of one session."""

    SESSION = "session"
    CLIENT = "client"


def simulate(
    trace: Annotated[Path, typer.Argument(help="Parquet, CSV or JSON lines; formats in docs/simulator.md.")],
    pool: Annotated[str, typer.Option(help="A pool of the fleet file, or a configuration of the catalogue.")],
    replicas: Annotated[int, typer.Option(min=1, max=10_000, help="How many replicas serve.")],
    router: Annotated[str, typer.Option(help="How requests are sent to replicas.")] = "least-requests",
    scheduler: Annotated[str, typer.Option(help="How engines schedule their batch.")] = "fcfs-chunked",
    session_by: Annotated[SessionBy, typer.Option(help="The column that tells sessions.")] = SessionBy.SESSION,
    config: Annotated[Path | None, typer.Option(help="Fleet file; the built-in fleet if absent.")] = None,
    ttft: Annotated[float, typer.Option(min=0.0, help="Target for the first token, seconds.")] = 2.0,
    tpot: Annotated[float, typer.Option(min=0.0, help="Target per output token, seconds.")] = 0.05,
    price: Annotated[float, typer.Option(min=0.0, help="USD per GPU-hour of a pool of the catalogue.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=1 << 30, help="Seed of every draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write one line per request to this parquet file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Load, run, tell."""
    from runtime.simulated.outcomes import LatencyTarget
    from runtime.simulated.run import FixedFleet, row

    target = LatencyTarget(ttft, 0.0, tpot)
    fleet = FixedFleet((chosen_pool(pool, config, price),) * replicas, target, router, scheduler, seed)
    recorded = loaded(trace)
    sessions = sessions_of(recorded, session_by, router)
    began_s = time.monotonic()
    with progress_bar(recorded.requests) as progress:
        done = served(recorded, fleet, progress, sessions)
    result = {"trace": recorded.name, **row(done), "wall_s": round(time.monotonic() - began_s, 3)}
    if out is not None:
        write(done, out)
    if json:
        return output.json_out({"runs": [result]})
    show(result, recorded.notes)


def chosen_pool(name: str, config: Path | None, price: float) -> Pool:
    """The pool of that name: the fleet file's, the built-in fleet's, or the catalogue's."""
    from app.cli.up import BUILT_IN
    from app.settings import load

    pools = {service.pool.name: service.pool for service in load(config or BUILT_IN).services}
    if name in pools:
        return pools[name]
    if config is not None:
        raise UserError(f"--pool {name}: {config} has no such pool; it has {', '.join(sorted(pools))}")
    return catalogue_pool(name, price, sorted(pools))


def catalogue_pool(name: str, price: float, built_in: list[str]) -> Pool:
    """A measured configuration as a pool."""
    from runtime import catalog

    try:
        return catalog.find(name).pool("simulate", price, {})
    except catalog.CatalogError as error:
        raise UserError(f"--pool {error}; or one of the built-in fleet: {', '.join(built_in)}") from None


def loaded(path: Path) -> Trace:
    """The trace, or one line that says why not."""
    from runtime.traces import TraceError, load

    try:
        return load(path)
    except TraceError as error:
        raise UserError(str(error)) from None


def sessions_of(trace: Trace, by: SessionBy, router: str) -> Keys | None:
    """The session of every request; one line where the router or the option needs what the trace does not have."""
    if by is SessionBy.CLIENT and trace.client is None:
        raise UserError("--session-by client: the trace names no clients; give one with a column client")
    sessions = trace.client if by is SessionBy.CLIENT else trace.session
    if router == "session-affinity" and sessions is None:
        instead = "one with a column session" if trace.client is None else "--session-by client"
        raise UserError(f"--router {router}: the trace names no sessions; give {instead}")
    if router == "prefix-affinity" and trace.prefix is None:
        raise UserError(f"--router {router}: the trace names no prefixes; give one with prefix_id, or with hash_ids")
    return sessions


def served(trace: Trace, fleet: FixedFleet, progress: Callable[[int], None], sessions: Keys | None) -> Run:
    """The run; what the simulator refuses is one line."""
    from runtime.simulated.run import run

    try:
        return run(trace, fleet, progress, sessions, trace.prefix, trace.prefix_tokens)
    except ValueError as error:
        raise UserError(str(error)) from None


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on a terminal's stderr, from the moment that it is worth one."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = output.err()
    columns = TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task, began_s = bar.add_task("requests", total=total), time.monotonic()

    def progress(done: int) -> None:
        bar.update(task, completed=done)
        if not bar.live.is_started and time.monotonic() - began_s > SHOW_PROGRESS_AFTER_S:
            bar.start()

    try:
        yield progress
    finally:
        bar.stop()


def write(done: Run, path: Path) -> None:
    """One line per request; a latency that does not exist is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from runtime.simulated.run import figures

    try:
        writer = None
        for chunk in done.chunks():
            columns = figures(chunk)
            batch = pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})
            writer = writer or pq.ParquetWriter(path, batch.schema)
            writer.write_table(batch)
        if writer is not None:
            writer.close()
    except OSError as error:
        raise UserError(f"--out {path}: {error.strerror or error}; give a file that can be written") from None


def show(result: dict[str, Any], notes: tuple[str, ...]) -> None:
    """The row as a table for people."""
    ttft, tpot = result["ttft_s"], result["tpot_s"]
    columns = ["", "mean", "P50", "P90", "P99"]
    rows = [
        ["TTFT", *(output.number(ttft[q], 3, " s") for q in ("mean", "p50", "p90", "p99"))],
        ["TPOT", "", *(output.number(ms(tpot[q]), 1, " ms") for q in ("p50", "p90", "p99"))],
    ]
    console = output.out()
    replicas = result["policy"].removeprefix("static-")
    console.print(f"{result['trace']} on {replicas} replicas, {result['router']}, {result['scheduler']}")
    console.print(output.table(None, columns, rows, numbers=4))
    facts = [
        f"{result['requests']:,} requests, {result['rejected']:,} rejected, {result['preemptions']:,} preemptions",
        f"attainment {output.number(result['attainment'], 4)} (strict {output.number(result['attainment_strict'], 4)})",
        f"busy {result['busy']:.3f}, load {result['load']:.3f} erlangs per replica, "
        f"{result['output_tokens_per_s']:,.0f} output tokens/s",
        f"{result['gpu_hours']:,.1f} GPU-hours, {result['wall_s']:.1f} s of computing",
        *notes,
    ]
    for fact in facts:
        console.print(fact)


def ms(seconds: float | None) -> float | None:
    """Milliseconds."""
    return None if seconds is None else seconds * 1000
