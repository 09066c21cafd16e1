"""``leadtime plan``: which pools carry a model's traffic within its SLO, at what cost, paid for how, and next year.

Traffic is a trace, a series of minutes, or numbers. Everything is computed from the silicon catalogue and a dated price
table; ``--simulate`` holds the best pools against the simulator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import output
from app.cli.simulate import SHOW_PROGRESS_AFTER_S
from app.errors import UserError

if TYPE_CHECKING:
    from autoscaler.planning.confirm import Confirmed
    from autoscaler.planning.growth import Growth
    from autoscaler.planning.plan import Plan, Scope
    from autoscaler.planning.prices import Offer
    from autoscaler.planning.traffic import Traffic
    from autoscaler.policy import Routing
    from forecasting.series import Series
    from runtime.traces import Trace

MOST_PLAYED = 500
"""Replicas of a fleet that is simulated at most: larger ones take minutes and tell no more."""

HELP = "Rank the pools that could serve a model: cost, memory, limits, how to pay for them, a year ahead."

Recorded = Annotated[
    Path | None, typer.Argument(help="A trace, or a series: minute, requests, input_tokens, output_tokens.")
]
Variation = Annotated[float, typer.Option(min=0, max=10, help="Variation of lengths where only means are known.")]
Growing = Annotated[float, typer.Option(min=0, max=60, help="Seconds that it grows with each 1,000 input tokens.")]
Sent = Annotated[
    str, typer.Option(metavar="by-load|blind", help="How requests find a replica; blind: in turn or by chance.")
]
Prices = Annotated[list[str] | None, typer.Option(metavar="GPU=USD", help="USD per GPU-hour, as in H100=2.69.")]


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The traffic, and what it was made of; ``length_cv`` is what lengths are drawn with where no trace has them."""

    traffic: Traffic
    length_cv: float
    trace: Trace | None = None
    series: Series | None = None


def plan(
    model: Annotated[str, typer.Argument(help="As in meta-llama/Llama-3.1-70B.")],
    traffic: Recorded = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second on average, instead of a file.")] = None,
    input_tokens: Annotated[float | None, typer.Option(help="Input tokens of a request, with --rate.")] = None,
    output_tokens: Annotated[float | None, typer.Option(help="Output tokens of a request, with --rate.")] = None,
    peak_to_mean: Annotated[float, typer.Option(min=1, max=100, help="Daily peak over mean, with --rate.")] = 1.0,
    length_cv: Variation = 1.0,
    ttft: Annotated[float, typer.Option(min=0.001, max=600, help="Target for the first token, seconds.")] = 2.0,
    ttft_per_1k: Growing = 0.0,
    tpot: Annotated[float, typer.Option(min=0.0001, max=10, help="Target per output token, seconds.")] = 0.05,
    attainment: Annotated[float, typer.Option(min=0.501, max=0.9999, help="Share that must meet both.")] = 0.99,
    gpu: Annotated[list[str] | None, typer.Option(help="Only these GPU types, with commas.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="Only these precisions of the weights.")] = None,
    engine: Annotated[str, typer.Option(help="vllm, sglang or trtllm.")] = "vllm",
    max_gpus: Annotated[int, typer.Option(min=1, max=64, help="GPUs of one replica at most.")] = 8,
    provider: Annotated[list[str] | None, typer.Option(help="Prices of these providers only.")] = None,
    price: Prices = None,
    spot_price: Prices = None,
    reserved_price: Prices = None,
    headroom: Annotated[float, typer.Option(min=0.5, max=10, help="Factor on the load.")] = 1.0,
    cached: Annotated[float, typer.Option(min=0, max=0.99, help="Share of input tokens in the prefix cache.")] = 0.0,
    routing: Sent = "by-load",
    min_replicas: Annotated[int, typer.Option(min=1, max=10_000, help="Never fewer than this.")] = 1,
    growth: Annotated[float | None, typer.Option(help="Growth in a year; 0.5 is half as much again.")] = None,
    growth_sd: Annotated[float, typer.Option(min=0, max=10, help="Standard deviation of that growth.")] = 0.0,
    sizing_gpu: Annotated[
        str | None, typer.Option(help="GPU type of the sizing table; the best pool's if absent.")
    ] = None,
    sizing_gpus: Annotated[int, typer.Option(min=1, max=64, help="GPUs that the sizing table divides.")] = 8,
    simulate: Annotated[int, typer.Option(min=0, max=50, help="Play the best N pools request by request.")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=1 << 30, help="Seed of what is drawn.")] = 0,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Pools to show.")] = 10,
    html: Annotated[Path | None, typer.Option(help="Write the plan to this page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read what is given, rank, confirm, tell."""
    from autoscaler.planning.carry import Asked
    from autoscaler.planning.plan import plan as planned
    from autoscaler.planning.plan import with_days
    from autoscaler.policy import Slo

    numbers = {"--rate": rate, "--input-tokens": input_tokens, "--output-tokens": output_tokens}
    given = (
        of_numbers(numbers, peak_to_mean, length_cv)
        if traffic is None
        else of_file(traffic, length_cv, numbers, peak_to_mean)
    )
    slo = Slo(ttft_s=ttft, ttft_s_per_1k_tokens=ttft_per_1k, tpot_s=tpot, attainment=attainment)
    asked = Asked(slo, headroom, cached, min_replicas, sent(routing))
    scope = among(gpu, precision, engine, max_gpus, sizing_gpu, sizing_gpus)
    offers = priced(provider, price, spot_price, reserved_price)
    growing = grown(growth, growth_sd, given.series)
    with named(""), bar("planning", 1) as progress:
        made = planned(model, given.traffic, asked, scope, offers, growing, progress)
    if given.series is not None:
        made = with_days(made, given.series, length_cv)
    played = confirmed(made, given, simulate, seed) if simulate else {}
    tell(made, played, top, html, json)


def tell(made: Plan, played: dict[str, Confirmed], top: int, html: Path | None, json: bool) -> None:
    """As tables, one document, or a page beside either."""
    from app.cli.plan_tables import show
    from autoscaler.planning.document import document

    if html is not None:
        from app.cli.plan_page import page

        try:
            html.write_text(page(made, top, played), encoding="utf-8")
        except OSError as error:
            raise UserError(f"--html {html}: {error.strerror or error}; give a file that can be written") from None
    if json:
        return output.json_out(document(made, top, played))
    show(output.out(), made, top, played)
    if html is not None:
        output.err().print(f"wrote {html}")


@contextmanager
def named(option: str) -> Iterator[None]:
    """A name that the catalogue lacks is one line that begins with the option."""
    from runtime.catalog.errors import CatalogError

    try:
        yield
    except CatalogError as error:
        raise UserError(f"{option}: {error}" if option else str(error)) from None


# --- what is given --------------------------------------------------------------------------------------------------


def of_file(path: Path, length_cv: float, numbers: Mapping[str, float | None], peak_to_mean: float) -> Given:
    """Traffic from a series or a trace, told apart by their columns; raises ``UserError``."""
    from autoscaler.planning import traffic
    from forecasting.series import SeriesError, read
    from runtime.traces import TraceError, load

    for name, value in {**numbers, "--peak-to-mean": None if peak_to_mean == 1 else peak_to_mean}.items():
        if value is not None:
            raise UserError(f"{name} {value:g}: {path} says it; give one of them")
    try:
        if is_series(path):
            series = read(path)
            return checked(path, Given(traffic.of_series(series, length_cv), length_cv, None, series))
        trace = load(path)
        return checked(path, Given(traffic.of_trace(trace), length_cv, trace))
    except (SeriesError, TraceError) as error:
        raise UserError(str(error)) from None


def is_series(path: Path) -> bool:
    """Whether a file has a series' columns; what cannot be opened is left to the reader's own complaint."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            head = file.readline(4096)
        if head.startswith(b"PAR1"):
            names: Sequence[str] = pq.read_schema(path).names
        else:
            names = [name.strip().strip('"') for name in head.decode("utf-8", "replace").split(",")]
    except (OSError, pa.ArrowException):
        return False
    return "minute" in names and "requests" in names


def checked(path: Path, given: Given) -> Given:
    """Traffic with something in it."""
    traffic = given.traffic
    if len(traffic.requests) == 0 or not traffic.requests.sum() > 0 or not traffic.output_tokens.sum() > 0:
        raise UserError(f"{path}: no requests with tokens in any known minute; give traffic that has some")
    return given


def of_numbers(numbers: Mapping[str, float | None], peak_to_mean: float, length_cv: float) -> Given:
    """Traffic from --rate, --input-tokens and --output-tokens, in this order; raises ``UserError``."""
    from autoscaler.planning import traffic

    values = []
    for name, value in numbers.items():
        if value is None:
            raise UserError(f"{name} is missing; give a trace or a series, or {', '.join(numbers)}")
        if not 0 < value < 1e7:
            raise UserError(f"{name} {value:g}: must be above 0 and below ten million")
        values.append(value)
    return Given(traffic.of_numbers(values[0], values[1], values[2], peak_to_mean, length_cv), length_cv)


def among(
    gpus: list[str] | None, precisions: list[str] | None, engine: str, max_gpus: int, sizing: str | None, count: int
) -> Scope:
    """What to look among; raises ``UserError`` for names that are not known."""
    from autoscaler.planning.plan import Scope
    from runtime.catalog import entries, hardware
    from runtime.catalog.models import WEIGHT_BYTES

    engines = sorted({entry.configuration.engine for entry in entries()})
    if engine not in engines:
        raise UserError(f"--engine {engine!r} is not known; give one of {', '.join(engines)}")
    for precision in parted(precisions):
        if precision not in WEIGHT_BYTES:
            raise UserError(f"--precision {precision!r} is not known; give one of {', '.join(WEIGHT_BYTES)}")
    with named("--gpu"):
        chosen = [hardware.gpu(name).name for name in parted(gpus)] or list(hardware.GPUS)
    with named("--sizing-gpu"):
        cut = None if sizing is None else hardware.gpu(sizing).name
    if cut is not None and cut not in chosen:
        raise UserError(f"--sizing-gpu {sizing}: not among --gpu {','.join(chosen)}; give one of those")
    return Scope(tuple(chosen), tuple(parted(precisions)), max_gpus, engine, cut, count)


def sent(routing: str) -> Routing:
    """How requests find a replica; raises ``UserError``."""
    from autoscaler.policy import Routing

    try:
        return Routing(routing)
    except ValueError:
        raise UserError(f"--routing {routing!r} is not known; give one of {', '.join(Routing)}") from None


def parted(words: list[str] | None) -> list[str]:
    """Options that may be repeated or hold commas, as a list without repetition."""
    return list(dict.fromkeys(part.strip() for word in words or [] for part in word.split(",") if part.strip()))


def priced(
    providers: list[str] | None, price: list[str] | None, spot: list[str] | None, reserved: list[str] | None
) -> dict[str, Offer]:
    """Offers by GPU type; raises ``UserError``."""
    from autoscaler.planning.prices import cheapest, shipped, with_prices

    with named("--provider"):
        offers = cheapest(shipped(), parted(providers))
    with named("--price"):
        offers = with_prices(offers, amounts("--price", price), {}, {})
    with named("--spot-price"):
        offers = with_prices(offers, {}, amounts("--spot-price", spot), {})
    with named("--reserved-price"):
        return with_prices(offers, {}, {}, amounts("--reserved-price", reserved))


def amounts(option: str, given: list[str] | None) -> dict[str, float]:
    """GPU=USD pairs; raises ``UserError``."""
    found = {}
    for word in parted(given):
        name, _, usd = word.partition("=")
        try:
            found[name] = float(usd)
        except ValueError:
            raise UserError(f"{option} {word}: write a GPU type and USD per GPU-hour, as in H100=2.69") from None
        if not 0 < found[name] < 1000:
            raise UserError(f"{option} {word}: USD per GPU-hour must be above 0 and below 1,000")
    return found


def grown(growth: float | None, sd: float, series: Series | None) -> Growth:
    """Stated, or estimated from a long series, or none; raises ``UserError``."""
    from dataclasses import replace

    from autoscaler.planning.growth import ENOUGH_WEEKS, estimated, stated

    if growth is not None and growth <= -1:
        raise UserError(f"--growth {growth:g}: traffic cannot fall by more than all of it; give more than -1")
    if growth is not None or sd > 0:
        return stated(growth or 0.0, sd)
    found = None if series is None else estimated(series)
    if found is not None:
        return found
    return replace(stated(0.0, 0.0), source=f"none stated; give --growth, or a series of {ENOUGH_WEEKS} weeks or more")


# --- the simulator --------------------------------------------------------------------------------------------------


def confirmed(made: Plan, given: Given, count: int, seed: int) -> dict[str, Confirmed]:
    """The best pools in the simulator, by name, each in the minutes that are the busiest for it; with a bar."""
    from autoscaler.planning.confirm import busiest, confirm, drawn

    best = [one for one in made.ranked[:count] if one.peak_replicas <= MOST_PLAYED]
    for one in made.ranked[:count]:
        if one not in best:
            output.err().print(
                f"{one.candidate.way.name}: {one.peak_replicas:,} replicas are not played, {MOST_PLAYED} at most"
            )
    played = {}
    with bar("simulating", len(best)) as progress:
        for index, one in enumerate(best):
            step, trace = one.candidate.pool.step, given.trace
            traffic = drawn(given.traffic, step, given.length_cv, seed) if trace is None else busiest(trace, step)
            told = confirm(one, traffic, made.asked, seed, partial(_further, progress, index))
            played[one.candidate.pool.name] = told
    return played


def _further(progress: Callable[[float], None], index: int, share: float) -> None:
    progress(index + share)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[float], None]]:
    """A bar with the time left, on stderr, from the moment that it is worth one; gone when done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = output.err()
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task, began_s = shown.add_task(what, total=float(max(1, total))), time.monotonic()

    def progress(done: float) -> None:
        shown.update(task, completed=done)
        if not shown.live.is_started and time.monotonic() - began_s > SHOW_PROGRESS_AFTER_S:
            shown.start()

    try:
        yield progress
    finally:
        shown.stop()
