"""Requests poured together: work per bin where it is done, and the requests that a fleet could serve in time at all.

A prompt is read when it arrives, but tokens are generated for as long as the request is in service: booked at once, a
few long answers would look like a burst that no fleet ever sees.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.case import Case

Floats = npt.NDArray[np.float64]


def bins_of(case: Case, bin_s: float) -> int:
    """Bins until the last arrival."""
    return max(1, math.ceil((float(case.trace.arrival_s[-1]) + 1e-9) / bin_s))


def work_done(case: Case, bin_s: float, tpot_s: float) -> Floats:
    """Erlangs per bin, shape (bins,): prefill where a request arrives, decode evenly over its ``O·tpot_s``.

    What would be decoded after the last bin is left out. The sum of a linear ramp per request is taken from its slope's
    changes at both ends, so it costs two passes over the requests, whatever their lengths.
    """
    trace, step, bins = case.trace, case.pool.step, bins_of(case, bin_s)
    inputs, outputs = trace.input_tokens.astype(np.float64), trace.output_tokens.astype(np.float64)
    prefill = step.p_ms_per_1k_prefill_tokens * inputs / 1e6
    reading = step.k_ms_per_1k_kv_tokens * (inputs + outputs / 2) / 1000
    rate = (step.b_ms_per_seq + reading) / 1000 / tpot_s
    cells = np.minimum((trace.arrival_s / bin_s).astype(np.int64), bins - 1)
    read = np.bincount(cells, prefill, bins)
    started, ended = trace.arrival_s, trace.arrival_s + outputs * tpot_s
    decoded = _ramp(started, rate, bin_s, bins) - _ramp(ended, rate, bin_s, bins)
    return np.maximum(0.0, read + decoded) / bin_s


def _ramp(from_s: Floats, rate: Floats, bin_s: float, bins: int) -> Floats:
    """Work per bin of rates that begin at ``from_s`` and never end, erlang-seconds."""
    cells = np.minimum((from_s / bin_s).astype(np.int64), bins)
    first = np.bincount(cells, rate * ((cells + 1) * bin_s - from_s), bins + 1)[:bins]
    running = np.cumsum(np.bincount(cells, rate, bins + 1))[: bins - 1]
    return first + bin_s * np.concatenate([[0.0], running])


def requests(case: Case, bin_s: float, step_s: float) -> tuple[Floats, Floats]:
    """Requests per bin, and of these the ones whose own prefill leaves them in time, both of shape (bins,).

    A prompt takes its prefill time and ``step_s`` for each of its chunks, on any fleet.
    """
    pool, slo, bins = case.pool, case.policy.slo, bins_of(case, bin_s)
    inputs = case.trace.input_tokens.astype(np.float64)
    chunks = np.ceil(inputs / pool.max_batched_tokens)
    own_s = chunks * step_s + pool.step.p_ms_per_1k_prefill_tokens * inputs / 1e6
    able = own_s <= slo.ttft_s + slo.ttft_s_per_1k_tokens * inputs / 1000
    cells = np.minimum((case.trace.arrival_s / bin_s).astype(np.int64), bins - 1)
    arrived, in_time = np.bincount(cells, minlength=bins), np.bincount(cells[able], minlength=bins)
    return arrived.astype(np.float64), in_time.astype(np.float64)
