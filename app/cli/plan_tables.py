"""A plan as tables for people: the pools, the best one in detail, how it is cut and paid for, the year, what cannot be.

Promise: every figure that is not measured is marked, and the marks are explained where they appear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from app.cli.output import number, table

if TYPE_CHECKING:
    from rich.console import Console

    from autoscaler.planning.candidates import Refusal
    from autoscaler.planning.carry import Carried
    from autoscaler.planning.confirm import Confirmed
    from autoscaler.planning.days import Day
    from autoscaler.planning.growth import Year
    from autoscaler.planning.plan import Plan
    from autoscaler.planning.sizes import Size

POOLS = (
    "pool",
    "error",
    "binding",
    "rho_max",
    "replicas",
    "peak",
    "GPUs",
    "USD/GPU-h",
    "USD/h",
    "USD/1M",
    "if wrong",
    "mixed",
)
MEMORY = ("pool", "weights", "KV", "overhead", "free", "of GiB", "KV tokens/replica")
SIZES = ("cut", "error", "binding", "TPOT ms", "at limit", "TTFT s", "at limit", "requests/s", "tokens/s out", "USD/1M")
MIX = ("", "replicas", "USD/GPU-h", "USD/h")
CONFIRMED = ("pool", "planned", "attainment", "strict", "TTFT P99", "TPOT P99", "enough", "USD/1M then")
MOST_REFUSED = 12


@dataclass(frozen=True, slots=True)
class Section:
    """A table with what is to be said about it; the last ``numbers`` columns are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int
    notes: Sequence[str] = ()


def show(console: Console, made: Plan, top: int, played: Mapping[str, Confirmed]) -> None:
    """Everything, the best first."""
    for sentence in heading(made):
        console.print(sentence, soft_wrap=True)
    for section in sections(made, top, played):
        console.print(f"\n{section.title}", soft_wrap=True)
        console.print(table(None, section.columns, section.rows, section.numbers))
        for sentence in section.notes:
            console.print(sentence, soft_wrap=True)
    for sentence in refused(made.refused):
        console.print(sentence, soft_wrap=True)


def sections(made: Plan, top: int, played: Mapping[str, Confirmed]) -> Iterator[Section]:
    """The tables of a plan, none without a pool that keeps the promise."""
    best = made.ranked[:top]
    if made.best is None or made.year is None:
        return
    yield Section(f"Pools, {len(best)} of {len(made.ranked)}", POOLS, [*map(pool_line, best)], 11, [*marks(best)])
    yield Section("Memory of each GPU, GiB", MEMORY, [*map(memory_line, best)], 6)
    if played:
        rows = [*confirmed_lines(made, played)]
        yield Section(
            "The busiest minutes, simulated request by request", CONFIRMED, rows, 7, [*verdicts(made, played)]
        )
    if made.sizes:
        yield Section(sizes_title(made), SIZES, [size_line(one, made) for one in made.sizes], 9)
    title = f"How to pay for {name(made.best)} at this traffic"
    yield Section(title, MIX, mix_lines(made.best), 3, [*money(made.best)])
    if made.days:
        title = f"The coming week of {name(made.best)}: the highest hour of each day"
        yield Section(title, day_columns(made), [*map(day_line, made.days)], 2 * len(made.days[0].erlangs))
    columns = ("month", *year_columns(made.year))
    title = f"A year of {name(made.best)}; growth {made.year.growth.source}"
    yield Section(title, columns, [*year_lines(made.year)], len(columns) - 1, [committed(made.year)])


def committed(year: Year) -> str:
    """How the year is paid for."""
    mixed = year.mix
    return (
        f"Over the year: reserve {mixed.reserved}; on average {mixed.on_demand_mean:.1f} on demand and "
        f"{mixed.spot_mean:.1f} on spot; {mixed.saving:.0%} below all on demand."
    )


def heading(made: Plan) -> Iterator[str]:
    """What is carried, what is promised, and what came of it."""
    from autoscaler.policy import Routing

    traffic, slo = made.traffic, made.asked.slo
    yield (
        f"{made.model}: {traffic.mean_rps:,.2f} requests/s (peak {traffic.peak_rps:,.2f}), "
        f"{traffic.mean_input_tokens:,.0f} tokens in, {traffic.mean_output_tokens:,.0f} out; {slo.attainment:.4g} of "
        f"requests with the first token in {slo.ttft_s:g} s and {1000 * slo.tpot_s:g} ms per token"
    )
    if made.asked.routing is Routing.BLIND:
        yield "Requests are sent blindly: each replica queues for itself."
    for note in traffic.notes:
        yield f"{traffic.name}: {note}"
    if made.best is None:
        yield f"No pool can keep this promise: {len(made.refused)} ways considered."


def name(one: Carried) -> str:
    """As in H100-SXM fp8 TP2."""
    return one.candidate.way.name


def error(one: Carried) -> str:
    """The expected error of step times, marked where nobody measured."""
    rests = one.candidate.basis
    return f"{'' if rests.measured else '~'}{rests.error:.0%}{'+' if rests.at_least else ''}"


def pool_line(one: Carried) -> list[str]:
    """One pool."""
    gpus = one.mean_replicas * one.candidate.way.split.gpus
    return [
        name(one),
        error(one),
        one.rho.binding,
        f"{one.rho.value:.2f}",
        f"{one.mean_replicas:.1f}",
        str(one.peak_replicas),
        f"{gpus:.1f}",
        f"{one.candidate.offer.on_demand_usd:.2f}",
        f"{one.usd_per_hour:,.2f}",
        f"{one.usd_per_million:.3f}",
        f"{number(one.usd_low, 3)} to {'never' if one.usd_high is None else number(one.usd_high, 3)}",
        f"{one.usd_per_million_mixed:.3f}",
    ]


def marks(best: Sequence[Carried]) -> Iterator[str]:
    """What the marks of these rows mean."""
    yield "error: of step times, on measurements left out; USD/1M: in and out, all on demand, fleets without delay"
    yield "if wrong: the same with step times off by the error; mixed: with what is best reserved and on spot"
    if any(not one.candidate.basis.measured for one in best):
        yield "~ nobody measured this pool: its step times are transferred from the nearest that somebody did"
    if any(one.candidate.basis.at_least for one in best):
        yield "+ at least: something in the transfer (precision, engine, pipeline) was never held out"
    if any(one.usd_high is None for one in best):
        yield "never: with step times that much longer the promise cannot be kept at any size"
    if len({one.candidate.way.precision for one in best}) > 1:
        yield "Precisions differ in quality, which no figure here shows; fix one with --precision"


def memory_line(one: Carried) -> list[str]:
    """Where one GPU's memory goes."""
    room = one.candidate.memory
    parts = (room.weights_gib, room.kv_gib, room.overhead_gib, room.free_gib, room.total_gib)
    return [name(one), *(f"{part:.1f}" for part in parts), f"{room.kv_tokens:,}"]


def sizes_title(made: Plan) -> str:
    """What is cut."""
    first = made.sizes[0]
    from autoscaler.planning.sizes import Size

    way = first.carried.candidate.way if isinstance(first, Size) else first.way
    return f"{made.scope.sizing_gpus} {way.gpu} in {way.precision}, cut in different ways"


def size_line(size: Size | Refusal, made: Plan) -> list[str]:
    """One cut: alone, at its limit, and what all of it carries."""
    from autoscaler.planning.sizes import Size

    if not isinstance(size, Size):
        count = made.scope.sizing_gpus // size.way.split.gpus
        return [f"{count} x {size.way.split.name}", "–", f"{size.limit}: no", *["–"] * 7]
    one = size.carried
    return [
        f"{size.replicas} x {one.candidate.way.split.name}",
        error(one),
        one.rho.binding,
        f"{1000 * one.idle_tpot_s:.1f}",
        f"{1000 * one.full_tpot_s:.1f}",
        f"{one.idle_ttft_s:.2f}",
        f"{one.full_ttft_s:.2f}",
        f"{size.rps:,.1f}",
        f"{size.rps * made.traffic.mean_output_tokens:,.0f}",
        f"{size.usd_per_million(made.traffic):.3f}",
    ]


def mix_lines(best: Carried) -> list[list[str]]:
    """Reserved, on demand, spot, all."""
    paid, offer = best.mix, best.candidate.offer
    rows = [
        ("reserved", float(paid.reserved), offer.reserved_usd, paid.reserved_usd),
        ("on demand", paid.on_demand_mean, offer.on_demand_usd, paid.on_demand_usd),
        ("spot", paid.spot_mean, offer.spot_usd, paid.spot_usd),
    ]
    lines = [[what, f"{count:.1f}", number(price, 2), f"{usd:,.2f}"] for what, count, price, usd in rows]
    return [*lines, ["together", f"{sum(row[1] for row in rows):.1f}", "", f"{paid.usd_per_hour:,.2f}"]]


def money(best: Carried) -> Iterator[str]:
    """What the mix rests on."""
    paid, offer = best.mix, best.candidate.offer
    yield f"Prices: {offer.words} ({offer.source}); saves {paid.saving:.0%} against all on demand."
    if paid.break_even is not None:
        used = f"; those are used {paid.reserved_used:.0%}" if paid.reserved_used is not None else ""
        yield f"Reserved pays where a replica is used more than {paid.break_even:.0%} of the time{used}."
    if offer.spot_usd is not None and paid.spot_peak:
        yield f"Spot up to {paid.spot_peak}: if all of it is taken at once, the rest keeps the queues stable."
    missing = [what for what, usd in (("reserved", offer.reserved_usd), ("spot", offer.spot_usd)) if usd is None]
    if missing:
        options = " and ".join(f"--{what}-price {offer.gpu}=USD" for what in missing)
        yield f"No {' or '.join(missing)} price is known of {offer.provider}; give {options}, or another --provider."


def day_columns(made: Plan) -> list[str]:
    """Erlangs and replicas by quantile."""
    return ["day", *(f"{what} {quantile}" for what in ("erlangs", "replicas") for quantile in made.days[0].erlangs)]


def day_line(day: Day) -> list[str]:
    """One day."""
    loads, counts = day.erlangs.values(), day.replicas.values()
    return [day.date or f"+{day.ahead}", *(f"{load:.2f}" for load in loads), *(str(count) for count in counts)]


def year_columns(year: Year) -> list[str]:
    """Bands side by side; one of them where all are the same."""
    return [f"{what} {band}" for what in ("requests/s", "replicas (peak)", "USD") for band in shown_bands(year)]


def shown_bands(year: Year) -> list[str]:
    """The bands, or the middle alone where nothing is unsure."""
    bands = list(year.months[0])
    unsure = year.growth.rate_sd > 0 or year.growth.walk_sd > 0
    return bands if unsure else [bands[len(bands) // 2]]


def year_lines(year: Year) -> Iterator[list[str]]:
    """Every month, and the year."""
    bands = shown_bands(year)
    flat = len(bands) == 1 and year.growth.rate == 0
    for at, month in enumerate(year.months[:1] if flat else year.months, 1):
        cells = [month[band] for band in bands]
        yield [
            "each" if flat else str(at),
            *(f"{cell.rps:,.1f}" for cell in cells),
            *(f"{cell.mean_replicas:.1f} ({cell.peak_replicas})" for cell in cells),
            *(f"{cell.usd:,.0f}" for cell in cells),
        ]
    yield ["year", *[""] * (2 * len(bands)), *(f"{year.total_usd(band):,.0f}" for band in bands)]


def confirmed_lines(made: Plan, played: Mapping[str, Confirmed]) -> Iterator[list[str]]:
    """One line a simulated pool."""
    for one in made.ranked:
        told = played.get(one.candidate.pool.name)
        if told is None:
            continue
        run = told.run
        tpot = run["tpot_s"]["p99"]
        yield [
            name(one),
            str(told.planned),
            number(run["attainment"], 4),
            number(run["attainment_strict"], 4),
            number(run["ttft_s"]["p99"], 2, " s"),
            number(None if tpot is None else 1000 * tpot, 1, " ms"),
            "–" if told.enough is None else str(told.enough),
            number(told.usd_per_million(one.usd_per_million), 3),
        ]


def verdicts(made: Plan, played: Mapping[str, Confirmed]) -> Iterator[str]:
    """What the simulator says against the plan."""
    for one in made.ranked:
        told = played.get(one.candidate.pool.name)
        if told is None or told.kept:
            continue
        needs = f"{told.enough} replicas keep it" if told.enough else "twice as many do not keep it"
        yield f"{name(one)}: {told.planned} replicas miss the promise of {told.target:.4g} there; {needs}."
    cheapest = cheapest_confirmed(made, played)
    if cheapest is not None and cheapest is not made.best:
        yield f"By what the simulator needs, {name(cheapest)} is the cheapest of these."


def cheapest_confirmed(made: Plan, played: Mapping[str, Confirmed]) -> Carried | None:
    """The cheapest pool by what the simulator says it needs, None where none keeps the promise."""
    costs = []
    for one in made.ranked:
        told = played.get(one.candidate.pool.name)
        usd = None if told is None else told.usd_per_million(one.usd_per_million)
        if usd is not None:
            costs.append((usd, one))
    return min(costs, key=lambda pair: pair[0])[1] if costs else None


def refused(refusals: Sequence[Refusal]) -> Iterator[str]:
    """What cannot be, a line for each GPU type, precision and limit: the largest split that fails says why."""
    ordered = sorted(refusals, key=lambda one: (*_kind(one), one.way.split.gpus))
    groups = [list(members) for _, members in groupby(ordered, _kind)]
    if groups:
        yield f"Infeasible: {len(refusals)} of the ways considered"
    for members in groups[:MOST_REFUSED]:
        last, others = members[-1], len(members) - 1
        more = f" (and {others} more {'ways' if others > 1 else 'way'})" if others else ""
        yield f"  {last.way.name}: {last.reason}{more}"
    if len(groups) > MOST_REFUSED:
        yield f"  and {len(groups) - MOST_REFUSED} more kinds; --json lists every one"


def _kind(one: Refusal) -> tuple[str, str, str]:
    return (one.way.gpu, one.way.precision, one.limit)
