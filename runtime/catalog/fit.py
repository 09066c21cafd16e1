"""The four numbers of the step-time law from measured TPOT, and how far they can be trusted.

At fixed concurrency C, with prompts of I and answers of O tokens, a decode step serves C sequences of I + O/2 tokens
on average, and while a request makes its O − 1 steps after the first token, the other C − 1 are prefilled once each:

    TPOT = a + b·C + k·C·(I + O/2)/1000 + p·(C − 1)·I/(O − 1)/1000

(The reference, 4.4, counts C prompts over O steps, the request's own among them; but its own prefill is in its TTFT.
``benchmarks.catalog`` prints the errors of both forms.)

Least squares of relative errors under a, b, k, p ≥ 0. Two or three lengths do not tell k from p and b, so each number
also leans on what the data sheet leads one to expect (``roofline``), as an observation with the standard
deviation ``LEAN``: beside ten rows with 3 % error it settles what they leave open and hardly moves what they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from runtime.catalog.roofline import expected_or_none
from runtime.catalog.table import Row
from runtime.pool import StepTime

Floats = npt.NDArray[np.float64]
Form = Callable[[Floats, Floats, Floats], Floats]

TTFT_LIMIT_MS = 4000.0
"""Rows above are not fitted: requests wait for KV memory, so fewer than C decode (reference 4.4)."""

MIN_ROWS = 5
MIN_SHAPES = 6
"""Fewer pairs of lengths do not identify four numbers (reference 4.4: 3 to 36 % off on a length left out)."""

ROW_ERROR = 0.03
LEAN = (0.3, 1.0, 0.4, 0.5)
"""Standard deviation of a, b, k, p around their expectation, as a share of it."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Relative errors of TPOT, one per row; NaN where a row could not be predicted without its family."""

    in_sample: Floats
    left_out: Floats
    family_left_out: Floats


def bound(row: Row) -> bool:
    """Whether waiting for memory shaped this row."""
    return row.ttft_ms > TTFT_LIMIT_MS


def regressors(input_tokens: Floats, output_tokens: Floats, concurrency: Floats) -> Floats:
    """What a, b, k, p are multiplied with: shape (n, 4). Needs outputs of 2 tokens or more."""
    kv = concurrency * (input_tokens + output_tokens / 2) / 1000
    prefill = (concurrency - 1) * input_tokens / (output_tokens - 1) / 1000
    return np.stack([np.ones_like(kv), concurrency, kv, prefill], axis=-1)


def _columns(rows: Sequence[Row], form: Form) -> tuple[Floats, Floats]:
    """Regressors (n, 4) and measured TPOT (n,), ms."""
    values = np.array([(r.input_tokens, r.output_tokens, r.concurrency, r.tpot_ms) for r in rows], np.float64)
    return form(values[:, 0], values[:, 1], values[:, 2]), values[:, 3]


def predict_tpot_ms(step: StepTime, rows: Sequence[Row]) -> Floats:
    """TPOT of each row's load by the law, ms; the rows' own times are not looked at."""
    return _columns(rows, regressors)[0] @ numbers(step)


def numbers(step: StepTime) -> Floats:
    """The four in their order, shape (4,)."""
    return np.array(
        [step.a_ms, step.b_ms_per_seq, step.k_ms_per_1k_kv_tokens, step.p_ms_per_1k_prefill_tokens], np.float64
    )


def step_of(values: Floats) -> StepTime:
    """The inverse of ``numbers``."""
    a, b, k, p = (float(value) for value in values)
    return StepTime(a, b, k, p)


def _solve(x: Floats, y: Floats, prior: Floats | None) -> Floats:
    """Non-negative least squares of relative errors, in units of ``ROW_ERROR``."""
    left, right = x / y[:, None] / ROW_ERROR, np.full(len(y), 1 / ROW_ERROR)
    if prior is not None:
        left = np.vstack([left, np.diag(1 / (prior * np.array(LEAN)))])
        right = np.concatenate([right, 1 / np.array(LEAN)])
    solution: Floats = nnls(left, right)[0]
    return solution


def _prior(rows: Sequence[Row]) -> Floats | None:
    step = expected_or_none(rows[0].configuration)
    return None if step is None else numbers(step)


def fit(rows: Sequence[Row]) -> StepTime:
    """The four numbers of one configuration's rows (one or more), ms."""
    x, y = _columns(rows, regressors)
    return step_of(_solve(x, y, _prior(rows)))


def errors(rows: Sequence[Row], form: Form = regressors, lean: bool = True) -> Errors:
    """How well the law fits, and predicts a row, and a pair of lengths, that it was not fitted on.

    Another ``form`` of the regressors, or a fit that leans on nothing, is for comparison.
    """
    x, y = _columns(rows, form)
    prior = _prior(rows) if lean else None
    families = np.array([row.input_tokens * 2**32 + row.output_tokens for row in rows])

    def without(left_out: npt.NDArray[np.bool_]) -> Floats:
        if left_out.all():
            return np.full(int(left_out.sum()), np.nan)
        return np.asarray(np.abs(x[left_out] @ _solve(x[~left_out], y[~left_out], prior) / y[left_out] - 1))

    rest, family = np.empty(len(y)), np.empty(len(y))
    for i in range(len(y)):
        rest[i] = without(np.arange(len(y)) == i)[0]
    for shape in np.unique(families):
        family[families == shape] = without(families == shape)
    return Errors(np.abs(x @ _solve(x, y, prior) / y - 1), rest, family)
