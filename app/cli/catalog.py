"""``leadtime catalog``: what measured silicon says about step times, and how far to trust it.

``list`` shows the catalogue that ships, ``fit`` makes one from a table of measurements, ``evaluate`` says how well the
law fits such a table, how well it transfers, and what the shipped catalogue makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    from runtime.catalog.entry import Entry

HELP = "Step times of measured silicon: list, fit, evaluate, transfer."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Csv = Annotated[Path, typer.Argument(metavar="CSV", help="Measurements in the columns of AIConfigurator's sample.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
COLUMNS = ("configuration", "a ms", "b", "k", "p", "KV tokens (est.)", "rows", "shapes", "C", "error %", "row", "shape")


@contextmanager
def mistakes() -> Iterator[None]:
    """Told in one line."""
    from runtime.catalog.errors import CatalogError

    try:
        yield
    except CatalogError as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give a path that can be written") from None


@app.command("list")
def list_(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words that the name must hold, as in: 70b h100 tp2")
    ] = None,
    json: Json = False,
) -> None:
    """The catalogue that ships."""
    from runtime.catalog.names import near
    from runtime.catalog.store import flat, shipped

    catalog = shipped()
    asked = " ".join(words or [])
    found = catalog.matching(asked)
    if not found:
        raise UserError(f"no entry matches {asked!r}; {near(asked, [entry.name for entry in catalog.entries])}")
    if json:
        return output.json_out({"entries": [flat(entry) for entry in found]})
    show(found)


def show(entries: Sequence[Entry]) -> None:
    """Entries as a table, and what its marks mean."""
    output.out().print(output.table(None, COLUMNS, [line(entry) for entry in entries], numbers=len(COLUMNS) - 1))
    if any(entry.validity and not entry.validity.identified for entry in entries):
        typer.echo("* too few shapes to tell the four numbers apart; where they leave it open, the data sheet decides")
    if any(not entry.possible for entry in entries):
        typer.echo(
            "! prefill faster than the GPU can be: prompts were cached, or part of p stands in k; not transferred from"
        )


def line(entry: Entry) -> list[str]:
    """One entry as cells."""
    step, quality, validity = entry.step, entry.quality, entry.validity
    marks = ("" if validity is None or validity.identified else " *") + ("" if entry.possible else " !")
    numbers = (step.a_ms, step.b_ms_per_seq, step.k_ms_per_1k_kv_tokens, step.p_ms_per_1k_prefill_tokens)
    errors = (quality.in_sample, quality.left_out, quality.shape_left_out) if quality else (None, None, None)
    return [
        entry.name + marks,
        *(f"{number:.4g}" for number in numbers),
        output.number(entry.kv_tokens, 0),
        *((str(validity.rows), str(validity.shapes)) if validity else ("–", "–")),
        "–".join(map(str, validity.concurrency)) if validity else "–",
        *(output.number(None if error is None else 100 * error, 1) for error in errors),
    ]


@app.command()
def fit(
    csv: Csv,
    out: Annotated[Path | None, typer.Option(help="Write the entries to this CSV file, in the shipped format.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the measurements come from; the file's name if absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Fit the four numbers of every configuration in a table."""
    from runtime.catalog.entry import fitted
    from runtime.catalog.store import flat, write
    from runtime.catalog.table import read

    with mistakes():
        table = read(csv)
        made = {c.name: fitted(rows, source or csv.name) for c, rows in table.by_configuration().items()}
        entries = [entry for entry in made.values() if entry is not None]
        if out is not None:
            with out.open("w", encoding="utf-8", newline="") as file:
                write(entries, file)
    unfitted = [name for name, entry in made.items() if entry is None]
    if json:
        counts = {"rows": len(table.rows), "repeated": table.repeated, "unfitted": unfitted}
        return output.json_out({"entries": [flat(entry) for entry in entries], **counts})
    show(entries)
    typer.echo(
        f"{len(table.rows)} distinct rows, {table.repeated} repeated; {len(unfitted)} configurations have too few"
    )


@app.command()
def evaluate(csv: Csv, json: Json = False) -> None:
    """Errors of TPOT on a table: fits, transfers, and the shipped catalogue."""
    from runtime.catalog.entry import fitted
    from runtime.catalog.evaluate import fits, shipped_errors, transfers
    from runtime.catalog.store import flat, shipped
    from runtime.catalog.table import read

    with mistakes():
        groups = read(csv).by_configuration()
        summaries = [*fits(groups), *transfers(groups), *shipped_errors(shipped(), groups)]
        entries = [entry for rows in groups.values() if (entry := fitted(rows, csv.name)) is not None] if json else []
    if json:
        document = {"errors": [asdict(s) for s in summaries], "configurations": [flat(e) for e in entries]}
        return output.json_out(document)
    rows = [
        [s.what, str(s.configurations), str(s.rows), *(f"{100 * v:.1f}" for v in (s.mean, s.median, s.p90))]
        for s in summaries
    ]
    columns = ("error of TPOT, %", "configurations", "rows", "mean", "median", "P90")
    output.out().print(output.table(None, columns, rows, numbers=5))


@app.command()
def transfer(
    model: Annotated[str, typer.Argument(help="As in meta-llama/Llama-3.1-8B.")],
    gpu: Annotated[str, typer.Option(help="As in L4 or H100.")],
    precision: Annotated[str, typer.Option(help="Of the weights.")] = "bf16",
    tp: Annotated[int, typer.Option(help="GPUs that share each layer.")] = 1,
    engine: Annotated[str, typer.Option(help="vllm, sglang or trtllm.")] = "vllm",
    json: Json = False,
) -> None:
    """Numbers for a configuration that was never measured, and from which ones they come."""
    from runtime.catalog import transfer as transferred
    from runtime.catalog.store import flat

    with mistakes():
        entry = transferred(model, precision, gpu, tp, engine)
    if json:
        return output.json_out(flat(entry))
    show([entry])
    typer.echo(entry.source)
