"""How far the silicon catalogue can be trusted: fits, transfers, and the simulator at the measured loads.

python -m benchmarks.catalog CSV [--simulate]

Prints the tables of docs/catalog.md. With ``--simulate``, every row of a dense model is also left out of its fit and
its load run through the engine kernel with the numbers of the rest; rows bound by KV memory, which no fit uses, too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from runtime.catalog import find, transfer
from runtime.catalog.closed_loop import FixedLoad, Measurement, run
from runtime.catalog.entry import Entry, fitted
from runtime.catalog.evaluate import Groups, fits, fittable, shipped_errors, summary, transfers
from runtime.catalog.fit import Floats, Form, bound, fit, numbers, regressors
from runtime.catalog.fit import errors as errors_of
from runtime.catalog.models import known
from runtime.catalog.store import shipped
from runtime.catalog.table import Row, read

REFERENCE = {
    "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2": (16.55, 0.041, 0.0581, 68.7),
    "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp4": (11.02, 0.055, 0.0279, 44.6),
    "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp8": (8.82, 0.063, 0.0115, 29.8),
    "vllm/meta-llama/Llama-3.1-70B/fp8/H200-SXM/tp1": (19.99, 0.062, 0.0875, 110.3),
    "vllm/meta-llama/Llama-3.1-70B/fp8/B200-SXM/tp1": (15.72, 0.014, 0.0234, 67.2),
    "trtllm/meta-llama/Llama-3.1-8B/bf16/H100-SXM/tp1": (6.42, 0, 0.0499, 19.6),
    "vllm/Qwen/Qwen3-32B/bf16/H100-SXM/tp2": (13.96, 0.057, 0.0542, 49.0),
}
"""The fits of reference/engine.md 4.4."""

VIDUR = {("meta-llama/Llama-3.1-8B", 1): (10.0, 66.0), ("meta-llama/Llama-3.1-8B", 4): (3.4, 18.3)}
VIDUR |= {("meta-llama/Llama-3.1-70B", 4): (25.8, 158.0), ("meta-llama/Llama-3.1-70B", 8): (14.5, 85.7)}
"""Matrix times on A100 in bf16 (reference 4.2): ms of a small batch, and per 1,000 tokens; another engine, no A100 row
is in the catalogue."""

console = Console(width=120, highlight=False)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def errors(title: str, groups: Groups) -> None:
    """Fits and transfers over these configurations, and what the shipped catalogue says of all their rows."""
    found = [*fits(groups), *transfers(groups), *shipped_errors(shipped(), groups)]
    rows = [[s.what, str(s.configurations), str(s.rows), *percent(s.mean, s.median, s.p90)] for s in found]
    show(title, ("error of TPOT, %", "configurations", "rows", "mean", "median", "P90"), rows)


def percent(*shares: float) -> list[str]:
    """Shares as percentages with one digit."""
    return [f"{100 * share:.1f}" for share in shares]


def usual(inputs: Floats, outputs: Floats, concurrency: Floats) -> Floats:
    """The regressors of reference 4.4: C prompts over O steps."""
    columns = regressors(inputs, outputs, concurrency)
    columns[:, 3] = concurrency * inputs / outputs / 1000
    return columns


def choices(title: str, groups: Groups) -> None:
    """What the two choices of the fit are worth: errors with each of them undone."""
    rows = []
    variants: dict[str, tuple[Form, bool]] = {"as it is": (regressors, True), "C over O": (usual, True)}
    variants |= {"leaning on nothing": (regressors, False), "both": (usual, False)}
    for what, (form, lean) in variants.items():
        every = [errors_of(of, form, lean) for of in fittable(groups).values()]
        found = [
            summary("", [getattr(e, name) for e in every]) for name in ("in_sample", "left_out", "family_left_out")
        ]
        rows.append([what, *(f"{100 * s.mean:.1f} / {100 * s.median:.1f}" for s in found if s)])
    show(title, ("mean / median error, %", "in sample", "a row left out", "a shape left out"), rows)


def against_reference() -> None:
    """The four numbers beside those of the reference."""
    rows = [
        [name, *(f"{ours:.4g} ({theirs:g})" for ours, theirs in zip(numbers(find(name).step), given, strict=True))]
        for name, given in REFERENCE.items()
    ]
    show("Ours (reference 4.4)", ("configuration", "a", "b", "k", "p"), rows)


def against_vidur() -> None:
    """Transfers to A100 beside measurements that the catalogue has not seen."""
    rows = []
    for (model, tp), (floor_ms, per_1k_ms) in VIDUR.items():
        step = transfer(model, "bf16", gpu="A100", tp=tp).step
        ours = (f"{step.a_ms:.1f} ({floor_ms})", f"{step.p_ms_per_1k_prefill_tokens:.1f} ({per_1k_ms})")
        rows.append([f"{model} on {tp} A100", *ours])
    show("Transferred to A100 (Vidur's matrix times)", ("configuration", "a", "p"), rows)


def dense(groups: Groups) -> Groups:
    """Only models without experts."""
    shapes = {c: known(c.model) for c in groups}
    return {c: rows for c, rows in groups.items() if (s := shapes[c]) and s.active_b == s.parameters_b}


def simulated(entry: Entry, row: Row) -> Measurement:
    """The row's load through the kernel."""
    pool = entry.pool("benchmark", 0.0, {})
    return run(pool, FixedLoad(row.concurrency, row.input_tokens, row.output_tokens))


def left_out(groups: Groups) -> Iterator[tuple[Row, Measurement]]:
    """Every row, served with numbers that were fitted without it; bound ones with all that are not."""
    for rows in groups.values():
        entry = fitted(rows, "")
        if entry is None or not entry.kv_tokens:
            continue
        free = [row for row in rows if not bound(row)]
        for row in rows:
            others = [other for other in free if other is not row]
            yield row, simulated(replace(entry, step=fit(others)), row)


def simulate(groups: Groups) -> None:
    """Simulated against measured, rows bound by memory apart."""
    started = time.perf_counter()
    pairs = list(left_out(groups))
    parts = {"left out of the fit": False, "bound by KV memory": True}
    rows = []
    for what, is_bound in parts.items():
        chosen = [(row, found) for row, found in pairs if bound(row) is is_bound]
        for figure, name in (("TPOT", "tpot_ms"), ("tokens/s/GPU", "output_tokens_per_s_per_gpu"), ("TTFT", "ttft_ms")):
            shares = [abs(getattr(found, name) / getattr(row, name) - 1) for row, found in chosen]
            s = summary(figure, [np.array(shares)])
            rows.append([what, figure, str(len(chosen)), *(percent(s.mean, s.median, s.p90) if s else ["–"] * 3)])
    took_s = time.perf_counter() - started
    show(f"Simulated, error in % ({took_s:.0f} s)", ("rows", "figure", "n", "mean", "median", "P90"), rows)


def cliff() -> None:
    """The KV cliff: 70B in FP8 on two H100, 8k/1k."""
    entry = find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2")
    measured = {16: (1284, 34.6), 32: (6518, 52.4), 64: (59175, 52.4)}
    rows = []
    for concurrency, (ttft_ms, tpot_ms) in measured.items():
        found = run(entry.pool("benchmark", 0.0, {}), FixedLoad(concurrency, 8192, 1024))
        rows.append([str(concurrency), f"{found.ttft_ms:,.0f} ({ttft_ms:,})", f"{found.tpot_ms:.1f} ({tpot_ms})"])
    show("The KV cliff: 8k/1k, 70B FP8 H100 TP2 (measured)", ("C", "TTFT, ms", "TPOT, ms"), rows)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--simulate", action="store_true")
    given = parser.parse_args()
    table = read(given.csv)
    groups = table.by_configuration()
    console.print(f"{len(table.rows)} distinct rows, {table.repeated} repeated, {len(groups)} configurations")
    errors("All configurations", groups)
    errors("Dense models", dense(groups))
    choices("The fit's choices undone", groups)
    h100 = "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2"
    choices(h100, {c: rows for c, rows in groups.items() if c.name == h100})
    against_reference()
    against_vidur()
    if given.simulate:
        simulate(dense(groups))
        cliff()


if __name__ == "__main__":
    main()
