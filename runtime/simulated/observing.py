"""What an engine counts: the histograms of its ``/metrics`` page (``buckets`` has their names and bounds)."""

from __future__ import annotations

from runtime.simulated import buckets as h
from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState


@jit
def _bucket(s: EngineState, hist: int, value: float) -> int:
    bucket = 0
    while value > s.bounds[hist, bucket]:
        bucket += 1
    return bucket


@jit
def _count(s: EngineState, row: int, hist: int, bucket: int, value: float) -> None:
    s.hist[row, hist, bucket] += 1
    s.hist_sum[row, hist] += value


@jit
def observe(s: EngineState, row: int, hist: int, value: float, times: int) -> None:
    """That value, so many times."""
    bucket = _bucket(s, hist, value)
    s.hist[row, hist, bucket] += times
    s.hist_sum[row, hist] += value * times


@jit
def observe_steps(s: EngineState, row: int, first_s: float, growth_s: float, n: int) -> None:
    """Histograms of n decode-only steps whose durations run from ``first_s`` up by ``growth_s`` each."""
    rep = s.replicas[row]
    observe(s, row, h.ITERATION, rep.decoding, n)
    left, duration = n, first_s
    while left > 0:
        bucket = _bucket(s, h.ITL, duration)
        fit = left
        if growth_s > 0 and duration + growth_s * (left - 1) > s.bounds[h.ITL, bucket]:
            fit = max(1, min(left, int((s.bounds[h.ITL, bucket] - duration) / growth_s) + 1))
        s.hist[row, h.ITL, bucket] += fit * rep.decoding
        left -= fit
        duration += growth_s * fit
    s.hist_sum[row, h.ITL] += rep.decoding * (n * first_s + growth_s * n * (n - 1) / 2)


@jit
def observe_end(s: EngineState, row: int, slot: int) -> None:
    """A request has ended of its own accord."""
    req = s.requests[slot]
    prompt, generation = _bucket(s, h.PROMPT, req.input), _bucket(s, h.GENERATION, req.output)
    computed = prompt if req.hit == 0 else _bucket(s, h.PREFILL_COMPUTED, req.input - req.hit)
    _count(s, row, h.PROMPT, prompt, req.input)
    _count(s, row, h.PREFILL_COMPUTED, computed, req.input - req.hit)
    _count(s, row, h.GENERATION, generation, req.output)
    _count(s, row, h.MAX_GENERATION, generation, req.output)
    _count(s, row, h.PARAMS_MAX_TOKENS, generation, req.output)
    _count(s, row, h.PARAMS_N, 0, 1.0)
    observe(s, row, h.E2E, req.finish - req.arrival, 1)
    observe(s, row, h.QUEUE, req.first_scheduled - req.arrival, 1)
    observe(s, row, h.INFERENCE, req.finish - req.first_scheduled, 1)
    observe(s, row, h.PREFILL_TIME, req.first_token - req.first_scheduled, 1)
    observe(s, row, h.DECODE_TIME, req.finish - req.first_token, 1)
    observe(s, row, h.PREEMPTIONS, req.preemptions, 1)
    if req.output > 1:
        observe(s, row, h.TPOT, (req.finish - req.first_token) / (req.output - 1), 1)
