"""The pool's four numbers from what a client saw: token times fall into engine steps, and a step's batch explains it.

All tokens of a step leave the engine together, and no request gets two in one step. So a step is a cluster of tokens in
time; whoever gets its first token there was prefilled in it, everybody else decoded, having read its prompt and what it
had said so far. A step lasts from the cluster before to its own, if the engine had work left meanwhile. This holds
without preemption, and while the token budget does not cut prompts in pieces: steps near the budget are left out, and
so are those whose tokens came in one piece with the next step's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from benchmarks.fidelity.client import Answer
from runtime.pool import StepTime

Floats = npt.NDArray[np.float64]

GAP_S = 0.004
"""Silence that ends a cluster; tokens of one step come within a few ms, and a step lasts 10 ms or more."""

OUTLIER_MAD = 8.0
"""Steps further than this many median deviations off the fit were disturbed from outside."""

ROUNDS = 6


@dataclass(slots=True)
class Cluster:
    """Tokens that came together: when the first did, the index that each request's token has in its answer."""

    at_s: float
    tokens: dict[int, int]


def clusters(answers: Sequence[Answer]) -> list[Cluster]:
    """Tokens of all answers, grouped into the steps that made them."""
    events = sorted((at_s, i, j) for i, answer in enumerate(answers) for j, at_s in enumerate(answer.token_s))
    found: list[Cluster] = []
    last_s = -np.inf
    for at_s, request, index in events:
        if at_s - last_s > GAP_S or request in found[-1].tokens:
            found.append(Cluster(at_s, {}))
        found[-1].tokens[request] = index
        last_s = at_s
    return found


def steps(answers: Sequence[Answer], budget_tokens: int) -> tuple[Floats, Floats]:
    """What a, b, k, p are multiplied with, (n, 4), and how long each step took, (n,) ms."""
    rows = list(_steps(answers, budget_tokens))
    return np.array([row[:4] for row in rows]), np.array([row[4] for row in rows])


def _steps(answers: Sequence[Answer], budget_tokens: int) -> Iterator[tuple[float, float, float, float, float]]:
    longest = max(answer.input_tokens for answer in answers)
    before, near_budget = Cluster(0.0, {}), False
    for cluster in clusters(answers):
        going_on = {r for r, j in before.tokens.items() if j + 1 < len(answers[r].token_s)}
        decoded = {r: j for r, j in cluster.tokens.items() if j > 0}
        prefill = sum(answers[r].input_tokens for r, j in cluster.tokens.items() if j == 0)
        cut = prefill + len(decoded) > budget_tokens - longest
        took_s = cluster.at_s - before.at_s
        if going_on and decoded.keys() == going_on and not cut and not near_budget and took_s > GAP_S:
            kv = sum(answers[r].input_tokens + j for r, j in decoded.items())
            yield 1.0, float(len(decoded)), kv / 1000, prefill / 1000, took_s * 1000
        before, near_budget = cluster, cut


def fit(x: Floats, y: Floats) -> tuple[StepTime, Floats]:
    """Four numbers of 0 or more, and what each step took beyond them, (n,), as a share of what they say.

    Least squares of those shares. They are taken of the fit and not of the step itself, or every long step would weigh
    less than a short one and pull the mean down; outliers are left out from the third round on.
    """
    expected, kept = np.full(len(y), float(np.median(y))), np.ones(len(y), bool)
    for i in range(ROUNDS):
        if i >= 2:
            off = np.abs(y / expected - np.median(y / expected))
            kept = off <= OUTLIER_MAD * np.median(off)
        solution = nnls(x[kept] / expected[kept, None], y[kept] / expected[kept])[0]
        expected = x @ solution
    a, b, k, p = (float(value) for value in solution)
    return StepTime(a, b, k, p), y / expected - 1
