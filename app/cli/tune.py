"""``leadtime tune``: the Pareto front of cost against attainment on recorded traffic, and the policy on it.

Screens settings with the fluid model, simulates the best few and the peers, validates on the unseen rest of the trace.
Ctrl-C ends the search and leaves what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    from autoscaler.backtest.case import Case
    from autoscaler.backtest.tune import Candidate, Confirmed
    from autoscaler.policy import Policy

HELP = "Search the policy's knobs on recorded traffic: the front of cost against attainment, and the policy on it."
COLUMNS = ("", "policy", "attainment", "screen", "GPU-hours", "USD", "USD/1M", "moves")

Bar = Callable[[str, float, float], None]
"""Told what is being done, how much of it is done, and how much it is."""


@dataclass(slots=True)
class Found:
    """What is known so far of one trace; what is missing was not reached."""

    case: Case
    train: Case
    rest: Case
    screened: list[Candidate] = field(default_factory=list)
    confirmed: list[Confirmed] = field(default_factory=list)
    peers: list[dict[str, Any]] = field(default_factory=list)
    validation: dict[str, dict[str, Any]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def target(self) -> float:
        """The promised attainment."""
        return self.case.policy.slo.attainment

    def choice(self) -> Confirmed | None:
        """The recommended policy, once anything was simulated."""
        from autoscaler.backtest.tune import recommended

        return recommended(self.confirmed, self.target) if self.confirmed else None


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to search, and who is compared."""

    screen: int
    confirm: int
    against: list[str]
    seed: int
    jobs: int | None
    folder: Path | None


def tune(
    traces: Annotated[list[Path], typer.Argument(help="Traces; the i-th is the traffic of the i-th service.")],
    config: Annotated[Path | None, typer.Option(help="Fleet file; the built-in fleet if absent.")] = None,
    train_share: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Share of the trace's time to train on.")
    ] = 0.5,
    out: Annotated[Path | None, typer.Option(help="Write the recommended policy here.")] = None,
    against: Annotated[str, typer.Option(help="Peers to show beside the front, with commas.")] = "hpa,keda-slo,knative",
    screen: Annotated[int, typer.Option(min=10, max=1_000_000, help="Settings to screen.")] = 2000,
    confirm: Annotated[int, typer.Option(min=1, max=100, help="Settings to simulate, in each of two rounds.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=1 << 30, help="Seed of the search and of lead times.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if absent.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Simulate everything again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Search, validate, tell, write."""
    from app.cli.backtest import cache_folder, cases_of, contenders

    if out is not None and len(traces) > 1:
        raise UserError(f"--out {out}: a file holds one policy, and {len(traces)} traces make as many; give one trace")
    peers = contenders(against)[1:]
    effort = Effort(screen, confirm, peers, seed, jobs, None if no_cache else cache_folder())
    results = []
    for case in cases_of(traces, config, None, seed):
        if case.more_pools:
            output.err().print(f"{case.name}: tuned on {case.pool.name} alone, the first of its pools", markup=False)
        found = begin(case.alone(), train_share)
        search(found, effort)
        results.append(found)
        if not json:
            show(found)
        if found.interrupted:
            break
    if out is not None:
        write(results[0], out)
    if json:
        output.json_out({"tunings": [document(found) for found in results]})
    if any(found.interrupted for found in results):
        raise typer.Exit(130)


def begin(case: Case, train_share: float) -> Found:
    """The two spans; raises ``UserError`` for a trace that is too short to be cut."""
    from autoscaler.backtest.tune import split

    try:
        return Found(case, *split(case, train_share))
    except ValueError as error:
        raise UserError(f"{case.name}: {error}") from None


def search(found: Found, effort: Effort) -> None:
    """Every stage in turn; Ctrl-C ends it where it is."""
    try:
        with progress(found.case.name) as bar:
            screened(found, effort, bar)
            confirm_best(found, effort, bar)
            validate(found, effort, bar)
    except KeyboardInterrupt:
        found.interrupted = True


def screened(found: Found, effort: Effort, bar: Bar) -> None:
    """Foresee the training span once, then judge settings by the fluid model."""
    from autoscaler.backtest.fluid import Fluid
    from autoscaler.backtest.fluid_outlook import foresee
    from autoscaler.backtest.tune import screen

    outlook = foresee(found.train, lambda share: bar("foreseeing", share, 1.0))
    fluid = Fluid(found.train, outlook)
    for candidate in screen(fluid, found.case.policy, found.case.pool, effort.screen, effort.seed):
        found.screened.append(candidate)
        if len(found.screened) % 25 == 0:
            bar("screening", len(found.screened), effort.screen)


def confirm_best(found: Found, effort: Effort, bar: Bar) -> None:
    """Simulate the policy as it is, the peers and two rounds of proposals, the second with the screen's error known."""
    from autoscaler.backtest.tune import misjudged, proposals

    first = proposals(found.screened, found.target, effort.confirm)
    now = found.screened[0]
    simulate(found, effort, [now, *(c for c in first if c != now)], effort.against, bar)
    again = proposals(found.screened, found.target, effort.confirm, misjudged(found.confirmed))
    known = {id(c.candidate) for c in found.confirmed}
    simulate(found, effort, [c for c in again if id(c) not in known], [], bar)


def simulate(found: Found, effort: Effort, candidates: list[Candidate], peers: list[str], bar: Bar) -> None:
    """Play candidates and peers on the training span, and keep what comes."""
    from dataclasses import replace

    from autoscaler.backtest.play import play
    from autoscaler.backtest.registry import OURS
    from autoscaler.backtest.tune import Confirmed

    tasks = [(replace(found.train, policy=c.policy), OURS) for c in candidates]
    tasks += [(found.train, name) for name in peers]
    for index, result in play(tasks, effort.folder, lambda done: bar("simulating", sum(done), len(tasks)), effort.jobs):
        if index < len(candidates):
            found.confirmed.append(Confirmed(candidates[index], result.row))
        else:
            found.peers.append(result.row | {"policy": tasks[index][1]})
    found.confirmed.sort(key=lambda c: (c.row["gpu_hours"], c.row["attainment"]))
    found.peers.sort(key=lambda row: effort.against.index(row["policy"]))


def validate(found: Found, effort: Effort, bar: Bar) -> None:
    """Play the recommended policy, and the one there was, on the span that nobody tuned on."""
    from dataclasses import replace

    from autoscaler.backtest.play import play
    from autoscaler.backtest.registry import OURS

    choice = found.choice()
    assert choice is not None
    policies = {"recommended": choice.candidate.policy, "now": found.case.policy}
    tasks = [(replace(found.rest, policy=policy), OURS) for policy in policies.values()]
    for index, result in play(tasks, effort.folder, lambda done: bar("validating", sum(done), len(tasks)), effort.jobs):
        found.validation[list(policies)[index]] = result.row


@contextmanager
def progress(name: str) -> Iterator[Bar]:
    """One bar with the time left, on stderr; each stage begins it anew."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err(), transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def bar(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                for old in tasks.values():
                    shown.update(old, visible=False)
                tasks[stage] = shown.add_task(f"{name}: {stage}")
            shown.update(tasks[stage], completed=done, total=total)

        yield bar


# --- what is told --------------------------------------------------------------------------------------------------


def show(found: Found) -> None:
    """The front with the peers on it, and the findings in sentences."""
    console = output.out()
    title = f"{found.case.name} as {found.case.pool.name}: {len(found.screened)} settings screened"
    console.print(output.table(title, COLUMNS, lines(found), numbers=6))
    for sentence in findings(found):
        console.print(sentence, soft_wrap=True)


def lines(found: Found) -> list[list[str]]:
    """Our simulated settings and the peers, from the cheapest; those that nothing beats are marked."""
    ours = [(c.row, c) for c in found.confirmed]
    every = sorted([*ours, *((row, None) for row in found.peers)], key=lambda pair: float(pair[0]["gpu_hours"]))
    unbeaten = best_rows([row for row, _ in every])
    return [line(found, row, mine, any(row is best for best in unbeaten)) for row, mine in every]


def best_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The front of simulated rows."""
    from autoscaler.backtest.tune import front

    return front(rows, lambda row: float(row["gpu_hours"]), lambda row: float(row["attainment"]))


def line(found: Found, row: dict[str, Any], mine: Confirmed | None, unbeaten: bool) -> list[str]:
    """One row of the table."""
    mark = "front" if unbeaten else ""
    if mine is not None and mine is found.choice():
        mark = "chosen"
    return [
        mark,
        row["policy"] if mine is None else knobs(found, mine.candidate.policy),
        f"{row['attainment']:.2%}",
        "–" if mine is None else f"{mine.candidate.estimate.attainment:.2%}",
        output.number(row["gpu_hours"], 1),
        output.number(row["cost_usd"], 0),
        output.number(row["usd_per_million_tokens"], 3),
        str(row["scale_ups"] + row["scale_downs"]),
    ]


def knobs(found: Found, policy: Policy) -> str:
    """A setting in a few words."""
    name = "leadtime now" if policy == found.case.policy else "leadtime"
    risk, rule, reactive = policy.risk, policy.scale_in, policy.reactive
    band = f"{reactive.scale_in_below:g}–{reactive.scale_out_above:g}"
    return (
        f"{name} ${risk.shortage_usd_per_replica_hour:g}/h ×{risk.headroom:g} "
        f"in {rule.window_s:g}/{rule.cooldown_s:g} s −{rule.max_step} band {band}"
    )


def findings(found: Found) -> list[str]:
    """What it comes to, honestly."""
    choice = found.choice()
    if choice is None:
        screened = len(found.screened)
        return [f"Interrupted after {screened} screened settings; nothing was simulated, nothing is recommended."]
    row, target, named = choice.row, found.target, knobs(found, choice.candidate.policy)
    said = [f"Chosen: {named}: {row['attainment']:.2%} for {row['gpu_hours']:.1f} GPU-hours."]
    if row["attainment"] < target:
        said.append(f"No setting reached {target:.2%} on the training span; this one comes nearest.")
    checked = found.validation.get("recommended")
    if checked is None:
        return [*said, "Interrupted before it was validated."]
    verdict = "keeps" if checked["attainment"] >= target else "MISSES"
    said.append(
        f"Validation on the unseen rest {verdict} the promise of {target:.2%}: {checked['attainment']:.2%} for "
        f"{checked['gpu_hours']:.1f} GPU-hours."
    )
    if now := found.validation.get("now"):
        said.append(f"The policy as it is: {now['attainment']:.2%} for {now['gpu_hours']:.1f} GPU-hours there.")
    return said


def document(found: Found) -> dict[str, Any]:
    """Everything as JSON; rows have the field names of ``leadtime backtest --json``."""
    choice = found.choice()
    ours = [confirmed_document(c) for c in found.confirmed]
    front = best_rows([c.row for c in found.confirmed])
    for entry in ours:
        entry["on_front"] = any(entry["run"] is row for row in front)
    return {
        "trace": found.case.name,
        "interrupted": found.interrupted,
        "target_attainment": found.target,
        "train_s": found.train.trace.duration_s,
        "validation_s": found.rest.trace.duration_s,
        "screened": len(found.screened),
        "confirmed": ours,
        "peers": found.peers,
        "recommended": confirmed_document(choice) if choice else None,
        "meets_training": None if choice is None else choice.row["attainment"] >= found.target,
        "validation": found.validation,
        "meets_validation": meets(found),
    }


def meets(found: Found) -> bool | None:
    """Whether the promise was kept on the unseen span; None where that was not reached."""
    row = found.validation.get("recommended")
    return None if row is None else bool(row["attainment"] >= found.target)


def confirmed_document(confirmed: Confirmed) -> dict[str, Any]:
    """One simulated setting as JSON."""
    from dataclasses import asdict

    estimate = asdict(confirmed.candidate.estimate)
    return {"policy": confirmed.candidate.policy.model_dump(mode="json"), "screen": estimate, "run": confirmed.row}


def write(found: Found, path: Path) -> None:
    """The recommended policy as YAML that ``leadtime policy apply`` and ``backtest --policy`` take."""
    from app.cli.policy import yaml_of

    choice = found.choice()
    if choice is None:
        output.err().print(f"{path}: not written, nothing was simulated")
        return
    told = "".join(f"# {sentence}\n" for sentence in findings(found))
    try:
        path.write_text(told + yaml_of(choice.candidate.policy.model_dump(mode="json")), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {path}: {error.strerror or error}; give a file that can be written") from None
    output.err().print(f"wrote {path}")
