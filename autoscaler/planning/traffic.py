"""What has to be carried, step by step: requests, tokens, and the tokens that decoding reads.

Work is linear in four sums (DESIGN 4), so these are all that is kept of a trace, and every pool's offered load follows
from them exactly. Numbers alone become a day: constant, or with one peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.series import Series
from runtime.pool import StepTime
from runtime.traces import Trace

Array = npt.NDArray[np.float64]

MINUTE_S = 60.0
DAY_STEPS, DAY_STEP_S = 288, 300.0
LONG = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Rates in consecutive steps of ``step_s`` seconds, each (n,).

    ``requests`` per second; ``input_tokens`` and ``output_tokens`` per second; ``read_tokens`` per second: a request
    with I input and O output tokens makes decode steps read O·(I + O/2) tokens of KV cache. ``long_tokens`` is how long
    a long request is, in and out: the P99 of a trace, the mean where no more is known. ``notes`` says what was left out
    or assumed.
    """

    name: str
    step_s: float
    requests: Array
    input_tokens: Array
    output_tokens: Array
    read_tokens: Array
    long_tokens: float
    notes: tuple[str, ...] = ()

    @property
    def mean_rps(self) -> float:
        """Requests per second, over all steps."""
        return float(self.requests.mean())

    @property
    def peak_rps(self) -> float:
        """Requests per second of the busiest step."""
        return float(self.requests.max())

    @property
    def mean_input_tokens(self) -> float:
        """Input tokens of a request."""
        return float(self.input_tokens.sum() / self.requests.sum())

    @property
    def mean_output_tokens(self) -> float:
        """Output tokens of a request."""
        return float(self.output_tokens.sum() / self.requests.sum())

    @property
    def tokens_per_s(self) -> float:
        """Input and output tokens per second, over all steps."""
        return float(self.input_tokens.mean() + self.output_tokens.mean())

    def erlangs(self, step: StepTime, cached: float = 0.0) -> Array:
        """Offered load, (n,) erlangs; ``cached`` is the share of input tokens that a prefix cache serves."""
        prefill = step.p_ms_per_1k_prefill_tokens * self.input_tokens * (1 - cached) / 1000
        reading = step.k_ms_per_1k_kv_tokens * self.read_tokens / 1000
        return (prefill + step.b_ms_per_seq * self.output_tokens + reading) / 1000


def of_numbers(
    rps: float, input_tokens: float, output_tokens: float, peak_to_mean: float = 1.0, length_cv: float = 1.0
) -> Traffic:
    """A day of so many requests per second on average, whose peak is ``peak_to_mean`` times that (1 or more).

    Up to a factor of 2 the day is a cosine; above, a power of (1 + cos)/2 that is as narrow as it must be.
    ``length_cv`` is the coefficient of variation of the output lengths: long answers read more than their share.
    """
    requests = np.array([rps])
    if peak_to_mean > 1:
        requests = rps * _day(peak_to_mean)
    shape = "constant rate" if peak_to_mean == 1 else f"a day with one peak of {peak_to_mean:g} times its mean"
    note = f"{shape}; lengths vary with a coefficient of {length_cv:g}"
    return _of_means(f"{rps:g} requests/s", DAY_STEP_S, requests, input_tokens, output_tokens, length_cv, (note,))


def _day(peak_to_mean: float) -> Array:
    """(288,) factors of mean 1 with that maximum."""
    angle = 2 * np.pi * np.arange(DAY_STEPS) / DAY_STEPS
    if peak_to_mean <= 2:
        return np.asarray(1 + (peak_to_mean - 1) * np.cos(angle))
    base, low, high = (1 + np.cos(angle)) / 2, 1.0, 1e6
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if (base**middle).mean() * peak_to_mean > 1 else (low, middle)
    return np.asarray(peak_to_mean * base**low)


def _of_means(
    name: str,
    step_s: float,
    requests: Array,
    inputs: Array | float,
    outputs: Array | float,
    cv: float,
    notes: tuple[str, ...],
) -> Traffic:
    """From mean lengths of a request, per step or for all."""
    read = outputs * inputs + np.square(outputs) * (1 + cv**2) / 2
    long = float((requests * (inputs + outputs)).sum() / max(requests.sum(), 1e-12))
    return Traffic(name, step_s, requests, requests * inputs, requests * outputs, requests * read, long, notes)


def of_series(series: Series, length_cv: float = 1.0) -> Traffic:
    """The minutes of a series that are known; what is missing is left out and said."""
    known = known_minutes(series)
    requests, inputs, outputs = (x[known] for x in (series.requests, series.input_tokens, series.output_tokens))
    some = np.maximum(requests, 1e-12)
    notes = (*series.notes, f"output lengths within a minute vary with a coefficient of {length_cv:g}")
    return _of_means(series.name, MINUTE_S, requests / MINUTE_S, inputs / some, outputs / some, length_cv, notes)


def known_minutes(series: Series) -> npt.NDArray[np.bool_]:
    """(n,) minutes of which all three columns are known."""
    columns = (series.requests, series.input_tokens, series.output_tokens)
    return np.asarray(np.isfinite(np.stack(columns)).all(axis=0))


def of_trace(trace: Trace) -> Traffic:
    """The whole minutes of a trace, or all of a trace that is shorter; lengths as they are."""
    minutes = int(trace.duration_s // MINUTE_S)
    step_s = MINUTE_S if minutes else max(trace.duration_s, 1.0)
    at = (trace.arrival_s // step_s).astype(np.int64)
    kept = at < max(1, minutes)
    inputs, outputs = (x[kept].astype(np.float64) for x in (trace.input_tokens, trace.output_tokens))

    def per_s(weights: Array) -> Array:
        return np.asarray(np.bincount(at[kept], weights, max(1, minutes)) / step_s)

    rates = [per_s(x) for x in (np.ones(len(inputs)), inputs, outputs, outputs * (inputs + outputs / 2))]
    long = float(np.quantile(inputs + outputs, LONG))
    return Traffic(trace.name, step_s, rates[0], rates[1], rates[2], rates[3], long, trace.notes)
