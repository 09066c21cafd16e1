"""What was measured beside what the simulator says: percentiles, throughput, preemptions, and the error of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.fidelity.client import Answer
from benchmarks.fidelity.engine import BATCHED_TOKENS, BLOCK_TOKENS, MAX_SEQS
from runtime.local.model import MAX_TOKENS
from runtime.pool import Pool, StepTime
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.run import FixedFleet, figures, run
from runtime.traces import Trace

PERCENTILES = (50, 90, 99)
NO_TARGET = LatencyTarget(1.0, 0.0, 1.0)
"""Attainment is not looked at here."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Percentiles as in ``PERCENTILES``, ms; output tokens per second from first arrival to last token; preemptions."""

    ttft_ms: tuple[float, ...]
    tpot_ms: tuple[float, ...]
    tokens_per_s: float
    preemptions: int


def _figures(ttft_s: Iterable[float], tpot_s: Iterable[float], tokens_per_s: float, preemptions: int) -> Figures:
    ttft, tpot = (np.percentile(np.array([*values]) * 1000, PERCENTILES).tolist() for values in (ttft_s, tpot_s))
    return Figures(tuple(ttft), tuple(tpot), tokens_per_s, preemptions)


def measured(answers: Sequence[Answer], preemptions: int) -> Figures:
    """What the client saw, and the engine's counter."""
    tokens = sum(len(answer.token_s) for answer in answers)
    took_s = max(float(answer.token_s[-1]) for answer in answers) - min(answer.arrival_s for answer in answers)
    ttft_s, tpot_s = [a.ttft_s for a in answers], [a.tpot_s for a in answers]
    return _figures(ttft_s, tpot_s, tokens / took_s, preemptions)


def pool(step: StepTime, blocks: int) -> Pool:
    """The engine of ``engine`` as a pool."""
    return Pool(
        name="vllm-cpu",
        service="fidelity",
        engine="vllm",
        gpu="CPU",
        gpus_per_replica=1,
        price_usd_per_gpu_hour=0.0,
        step=step,
        kv_blocks=blocks,
        block_tokens=BLOCK_TOKENS,
        max_num_seqs=MAX_SEQS,
        max_batched_tokens=BATCHED_TOKENS,
        max_model_tokens=MAX_TOKENS,
    )


def simulated(answers: Sequence[Answer], step: StepTime, blocks: int, front_s: float = 0.0) -> Figures:
    """The same arrivals through one replica of the engine kernel; ``front_s`` is spent before it, on every request."""
    columns = _columns(answers, step, blocks)
    took_s = float((columns["arrival_s"] + columns["e2e_s"]).max() - columns["arrival_s"][0])
    tokens_per_s = float(columns["output_tokens"].sum()) / took_s
    return _figures(columns["ttft_s"] + front_s, columns["tpot_s"], tokens_per_s, int(columns["preemptions"].sum()))


def front_s(answers: Sequence[Answer], step: StepTime, blocks: int) -> float:
    """What HTTP, processes and client add to a first token: median of measured less simulated, 0 or more, seconds."""
    late_s = np.array([answer.ttft_s for answer in answers]) - _columns(answers, step, blocks)["ttft_s"]
    return max(0.0, float(np.median(late_s)))


def _columns(answers: Sequence[Answer], step: StepTime, blocks: int) -> dict[str, npt.NDArray[Any]]:
    trace = Trace(
        "asked",
        np.array([answer.arrival_s for answer in answers]),
        np.array([answer.input_tokens for answer in answers], np.int32),
        np.array([len(answer.token_s) for answer in answers], np.int32),
    )
    return figures(run(trace, FixedFleet((pool(step, blocks),), NO_TARGET)).requests)


def rows(name: str, real: Figures, ours: Figures) -> list[list[str]]:
    """Lines of the table: measured, simulated and error for TTFT, TPOT and throughput; preemptions side by side."""
    lines = []
    for what, theirs, guess in (("TTFT, ms", real.ttft_ms, ours.ttft_ms), ("TPOT, ms", real.tpot_ms, ours.tpot_ms)):
        lines.append([name, what, *(_pair(t, g) for t, g in zip(theirs, guess, strict=True))])
    lines.append([name, "tokens/s", _pair(real.tokens_per_s, ours.tokens_per_s), "", ""])
    lines.append([name, "preemptions", f"{real.preemptions} → {ours.preemptions}", "", ""])
    return lines


def _pair(real: float, ours: float) -> str:
    return f"{real:.4g} → {ours:.4g} ({100 * (ours / real - 1):+.0f} %)"


def errors(pairs: Sequence[tuple[Figures, Figures]]) -> list[list[str]]:
    """Per figure: absolute errors over all loads, the median of them and the worst, in %."""
    lines = []
    for what in ("ttft_ms", "tpot_ms"):
        for at, q in enumerate(PERCENTILES):
            off = [abs(getattr(ours, what)[at] / getattr(real, what)[at] - 1) for real, ours in pairs]
            lines.append([f"{what.split('_')[0].upper()} P{q}", *_percent(off)])
    lines.append(["tokens/s", *_percent([abs(ours.tokens_per_s / real.tokens_per_s - 1) for real, ours in pairs])])
    return lines


def _percent(errors: Sequence[float]) -> list[str]:
    return [f"{100 * float(np.median(errors)):.1f}", f"{100 * max(errors):.1f}"]
