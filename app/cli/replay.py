"""``leadtime replay``: a trace sent to a real endpoint, and what a reader there felt of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    from runtime.traces import Trace
    from runtime.traces.replay import Answered

HELP = "Send a trace to an OpenAI-compatible endpoint, as fast as it was recorded."


def replay(
    trace: Annotated[Path, typer.Argument(help="Parquet, CSV or JSON lines; formats in docs/simulator.md.")],
    model: Annotated[str, typer.Option(help="The model to ask for: the name of a service.")],
    url: Annotated[str, typer.Option(help="The endpoint, without /v1.")] = "http://127.0.0.1:8700",
    start: Annotated[float, typer.Option("--from", min=0.0, help="Begin here, seconds into the trace.")] = 0.0,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Only so many seconds of the trace.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Times the trace's own pace.")] = 1.0,
    every: Annotated[int, typer.Option(min=1, help="Only every so many-th request.")] = 1,
    most_input: Annotated[int | None, typer.Option(min=1, help="Cut longer prompts to so many tokens.")] = None,
    most_output: Annotated[int | None, typer.Option(min=1, help="Cut longer answers to so many tokens.")] = None,
    ttft: Annotated[float, typer.Option(min=0.0, help="Target for the first token, seconds.")] = 2.0,
    tpot: Annotated[float, typer.Option(min=0.0, help="Target per output token, seconds.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the prompts.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write one line per request to this parquet file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Load, send, tell."""
    import asyncio

    from runtime.traces.replay import Endpoint, summary
    from runtime.traces.replay import replay as send

    chosen = part(loaded(trace), start, seconds, every, most_input, most_output)
    with progress(chosen.requests) as told:
        answers = asyncio.run(send(chosen, Endpoint(url.rstrip("/"), model), speed, seed, told))
    if out is not None:
        write(answers, out)
    result = {"trace": chosen.name, "url": url, "model": model, **summary(answers, ttft, tpot)}
    if json:
        return output.json_out(result)
    show(result)


def loaded(path: Path) -> Trace:
    """The trace; raises ``UserError`` for a file that is none."""
    from runtime.traces import TraceError, load

    try:
        return load(path)
    except TraceError as error:
        raise UserError(str(error)) from None


def part(
    trace: Trace, start_s: float, seconds: float | None, every: int, most_input: int | None, most_output: int | None
) -> Trace:
    """The asked-for part, from its own beginning, lengths cut."""
    from dataclasses import replace

    import numpy as np

    end_s = np.inf if seconds is None else start_s + seconds
    inside = np.flatnonzero((trace.arrival_s >= start_s) & (trace.arrival_s < end_s))[::every]
    if not len(inside):
        raise UserError(f"--from {start_s:g}: no request there; {trace.name} lasts {trace.duration_s:,.0f} s")
    chosen = trace.take(inside)
    cut = (most_input or np.inf, most_output or np.inf)
    return replace(
        chosen,
        arrival_s=chosen.arrival_s - start_s,
        input_tokens=np.minimum(chosen.input_tokens, cut[0]).astype(np.int32),
        output_tokens=np.minimum(chosen.output_tokens, cut[1]).astype(np.int32),
    )


class Sending:
    """A replay beside whatever else its caller does; it ends with the process."""

    def __init__(self, trace: Trace, url: str, model: str, speed: float) -> None:
        self.trace, self.url, self.model, self.speed = trace, url, model, speed
        self.ended = 0
        self._answers: Future[list[Answered]] = Future()
        Thread(target=self._run, daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether requests are still to come, or to end."""
        return not self._answers.done()

    def result(self, ttft_s: float, tpot_s: float) -> dict[str, Any]:
        """What it came to; raises what went wrong."""
        from runtime.traces.replay import summary

        answers = self._answers.result()
        told = {"trace": self.trace.name, "url": self.url, "model": self.model}
        return {**told, **summary(answers, ttft_s, tpot_s)}

    def _run(self) -> None:
        import asyncio

        from runtime.traces.replay import Endpoint
        from runtime.traces.replay import replay as send

        try:
            sent = send(self.trace, Endpoint(self.url, self.model), self.speed, told=self._count)
            self._answers.set_result(asyncio.run(sent))
        except BaseException as error:  # whoever waits must hear of it
            self._answers.set_exception(error)
            raise

    def _count(self, _: Answered) -> None:
        self.ended += 1


@contextmanager
def progress(requests: int) -> Iterator[Callable[[Answered], None]]:
    """A bar with what ended so far and how long it will still take."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("requests ended"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err(), transient=True) as bar:
        task = bar.add_task("", total=requests)
        yield lambda _: bar.advance(task)


def write(answers: list[Answered], out: Path) -> None:
    """One line per request."""
    from dataclasses import asdict

    import pandas as pd

    frame = pd.DataFrame([asdict(answer) for answer in answers])
    frame["fate"] = frame["fate"].astype(str)
    try:
        frame.to_parquet(out, index=False)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; give a file that can be written") from None


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    names = ("requests", "served", "rejected", "refused", "lost")
    times = [output.number(result[what][p], 3) for what in ("ttft_s", "tpot_s") for p in ("p50", "p99")]
    share = "–" if result["attainment"] is None else f"{result['attainment']:.2%}"
    columns = [*names, "attainment", "TTFT P50, s", "P99", "TPOT P50, s", "P99"]
    row = [*(f"{result[name]:,}" for name in names), share, *times]
    output.out().print(output.table(f"{result['trace']} on {result['model']}", columns, [row], numbers=len(columns)))
