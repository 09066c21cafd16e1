"""What a candidate's step times rest on: measured, or transferred from what was; and how wrong that may be.

Errors are shares of TPOT. A measured entry brings its own: on rows and on shapes left out. A transfer is as wrong as
transfers of its kind were when whole configurations were left out (``leadtime catalog evaluate``, docs/catalog.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from runtime.catalog.capacity import kv_tokens
from runtime.catalog.configuration import Configuration
from runtime.catalog.entry import Entry
from runtime.catalog.models import model
from runtime.catalog.neighbours import TRUSTED, Measured, transfer
from runtime.catalog.store import shipped
from runtime.pool import StepTime

HELD_OUT: Mapping[str, tuple[float, float]] = {
    "parallel size": (0.082, 0.169),
    "GPU": (0.057, 0.216),
    "model": (0.150, 0.288),
}
"""Mean error of transfers to another one, for dense models and for mixtures of experts. The latter are what the means
over all rows leave to them: (1,934 · 13.6 % − 738 · 8.2 %) / 1,196 rows = 16.9 % for the parallel size, and so on."""

HOP_MS = 0.1
"""Handing activations to the next pipeline stage: a judgement, not measured."""

SOURCE = "transfer errors: configurations left out of AIConfigurator's silicon sample, docs/catalog.md"


@dataclass(frozen=True, slots=True)
class Basis:
    """``measured`` or transferred; ``error`` is the mean relative error to expect of its step times.

    ``at_least`` says that something in it was never held out, so that the error may be larger. ``words`` tells from
    where, and what to know about it.
    """

    measured: bool
    error: float
    at_least: bool
    words: str


def basis(configuration: Configuration, stages: int = 1) -> tuple[Entry, Basis]:
    """The entry of a configuration, measured where that can be trusted, and what it rests on; ``stages`` cut it.

    Raises CatalogError for a model, precision or GPU that is not known.
    """
    entry = shipped().lookup(configuration)
    why = "" if entry is None else _distrust(entry)
    if entry is not None and not why:
        known = Basis(True, _own_error(entry), False, f"measured: {entry.name}")
    else:
        entry, known = _transferred(configuration)
        known = replace(known, words=f"{known.words}; {why}") if why else known
    if stages == 1:
        return entry, known
    words = f"{known.words}; {stages} pipeline stages computed, never measured"
    return replace(entry, step=piped(entry.step, stages)), Basis(False, known.error, True, words)


def piped(step: StepTime, stages: int) -> StepTime:
    """The law of a pipeline whose stages all work at once, each on another part of the batch.

    A token still passes every layer, so ``a`` stays and hops are added; the rest is shared among the stages.
    """
    return StepTime(
        step.a_ms + (stages - 1) * HOP_MS,
        step.b_ms_per_seq / stages,
        step.k_ms_per_1k_kv_tokens / stages,
        step.p_ms_per_1k_prefill_tokens / stages,
    )


def scaled(step: StepTime, factor: float) -> StepTime:
    """All four numbers at so many times their size: what an error of TPOT means."""
    numbers = (step.a_ms, step.b_ms_per_seq, step.k_ms_per_1k_kv_tokens, step.p_ms_per_1k_prefill_tokens)
    return StepTime(*(factor * number for number in numbers))


def _distrust(entry: Entry) -> str:
    if not entry.possible:
        return "its own measurements prefill faster than the GPU can, so they are not used"
    if entry.quality is None or entry.quality.left_out > TRUSTED:
        return "its own measurements do not agree with each other, so they are not used"
    return ""


def _own_error(entry: Entry) -> float:
    quality = entry.quality
    return 0.0 if quality is None else max(quality.left_out, quality.shape_left_out or 0.0)


@cache
def _measured() -> tuple[Measured, ...]:
    entries = shipped().entries
    return tuple(Measured(e.configuration, e.step, e.quality.left_out) for e in entries if e.quality is not None)


@cache
def _transferred(target: Configuration) -> tuple[Entry, Basis]:
    made = transfer(target, _measured())
    entry = Entry(target, made.step, kv_tokens(target), None, None, "", "", "transferred")
    nearest = shipped().find(made.sources[0][0])
    other = differences(target, nearest.configuration)
    dense = model(target.model).active_b == model(target.model).parameters_b
    errors = [HELD_OUT[kind][0 if dense else 1] for kind in other if kind in HELD_OUT]
    error = math.hypot(_own_error(nearest), *errors)
    sources = ", ".join(f"{name} ({weight:.0%})" for name, weight in made.sources)
    unheld = any(kind not in HELD_OUT for kind in other)
    return entry, Basis(False, error, unheld, f"transferred to another {', '.join(other) or 'version'} from {sources}")


def differences(one: Configuration, other: Configuration) -> tuple[str, ...]:
    """In what two configurations differ, versions aside."""
    splits = [(c.tensor_parallel, c.data_parallel, c.moe_tensor, c.moe_expert) for c in (one, other)]
    told = {
        "model": one.model != other.model,
        "GPU": one.gpu != other.gpu,
        "parallel size": splits[0] != splits[1],
        "precision": one.precision != other.precision,
        "engine": one.engine != other.engine,
    }
    return tuple(name for name, differs in told.items() if differs)
