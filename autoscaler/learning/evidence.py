"""What one replica's interval says about the step-time law of its pool, or why it says nothing.

While an engine is busy, the interval is the sum of its steps, so the law of DESIGN 4 holds for the sums too and needs
no steps of one's own: ``seconds = Σ (a + b·N + k·K + p·P)``. Divided by the number of iterations J it is a law between
means that a scrape tells:

    seconds / J  =  a + b · ΣN/J + k · ΣK/J + p · ΣP/J

ΣN, the tokens decoded, is the count of the histogram of inter-token latencies; ΣP are the prompt tokens that no
cache held; ΣK is ΣN times the tokens that a running request reads. J is what the engine counts; of one that does not
count them it is ``ΣN · seconds / Σ latencies``, as Σ latencies / seconds is the mean number of decoding sequences.

An interval is refused where that balance does not hold (the engine idled, several engines in one replica, a restart,
no new sample) or where the engine did something that the law does not speak of (a queue, KV memory all but full,
preemptions, whose prompts are computed twice). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.observation import Observation, ReplicaSample
from runtime.pool import Pool

SHORTEST_S, LONGEST_S = 2.0, 120.0
"""Of a shorter interval too much is its two broken steps; over a longer one what its ends show is not what was."""

FEWEST_ITERATIONS = 50.0

FEWEST_DECODING = 2.0
FEWEST_DECODING_UNCOUNTED = 5.0
"""Mean decoding sequences below which an engine may have idled in between: where it does not count its iterations, so
that nothing else tells, with Poisson arrivals 1 % of the time at 5.
"""

FULL = 0.9
"""Share of KV memory in use from which admission and preemption have a say in the step time."""

QUEUE_SHARE = 0.1
"""Waiting requests as a share of the running ones from which a replica is saturated: fewer are just joining."""

BALANCE = (0.9, 1.3)
"""Iterations times the mean latency of a token, as a share of the interval. Below: it idled. Above: several engines."""

UNLIKELY = 4.0
"""Steps so many times longer or shorter than the configured law are a broken counter, not a slow GPU."""

MOST_CACHED = 0.05
"""Above this share of cached prompt tokens, blocks in use no longer tell what requests read: they share some."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Means over the iterations of one replica's interval: the step time, and what its steps had to do."""

    seconds: float
    step_ms: float
    decoding: float
    kv_tokens: float
    prefill_tokens: float


def evidence(before: ReplicaSample | None, now: ReplicaSample, seen: Observation, pool: Pool) -> Evidence | str:
    """What the replica shows between two of its samples; or, in a few words, why it is not learned from."""
    if before is None:
        return "gap: not seen at the earlier look"
    if now.at_s <= before.at_s:
        return "stale: no new sample"
    if not SHORTEST_S <= now.at_s - before.at_s <= LONGEST_S:
        return "gap: an interval too short or too long"
    saturated = _saturated(before, now)
    if saturated:
        return saturated
    sums = _sums(before, now)
    return sums if isinstance(sums, str) else _balanced(sums, _context(before, now, sums, seen, pool), pool)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Growth over the interval; ``latency_s`` is the sum over decoded tokens."""

    seconds: float
    iterations: float
    decoded: float
    latency_s: float
    prompt: float
    cached: float


def _saturated(before: ReplicaSample, now: ReplicaSample) -> str:
    """Why the law does not speak of such a replica; empty where it does."""
    for sample in (before, now):
        if sample.running is None or sample.waiting is None:
            return "silent: does not say what runs and waits"
        if sample.sleeping or sample.running <= 0:
            return "idle: nothing ran at one end"
        if sample.waiting > QUEUE_SHARE * sample.running:
            return "saturated: requests wait"
        if (sample.kv_usage_ratio or 0.0) > FULL:
            return "saturated: KV memory is all but full"
    preempted = (now.preemptions or 0.0) - (before.preemptions or 0.0)
    return "saturated: requests were preempted" if preempted > 0 else ""


def _sums(before: ReplicaSample, now: ReplicaSample) -> _Sums | str:
    if before.itl is None or now.itl is None or before.input_tokens is None or now.input_tokens is None:
        return "silent: does not say how long tokens take"
    seconds = now.at_s - before.at_s
    decoded = now.itl.counts[-1] - before.itl.counts[-1]
    latency_s = now.itl.total - before.itl.total
    prompt = now.input_tokens - before.input_tokens
    cached = (now.cached_tokens or 0.0) - (before.cached_tokens or 0.0)
    told = before.iterations is not None and now.iterations is not None
    iterations = (now.iterations or 0.0) - (before.iterations or 0.0)
    if min(decoded, latency_s, prompt, cached, iterations) < 0:
        return "gap: restarted"
    if latency_s < (FEWEST_DECODING if told else FEWEST_DECODING_UNCOUNTED) * seconds:
        return "idle: few sequences decode"
    iterations = iterations if told else decoded * seconds / latency_s
    if iterations < FEWEST_ITERATIONS:
        return "idle: few iterations"
    return _Sums(seconds, iterations, decoded, latency_s, prompt, min(cached, prompt))


def _balanced(sums: _Sums, context: float | None, pool: Pool) -> Evidence | str:
    """The means, where the interval is the sum of its steps and these are of a credible length."""
    share = sums.iterations * sums.latency_s / sums.decoded / sums.seconds
    if share < BALANCE[0]:
        return "idle: nothing ran for part of it"
    if share > BALANCE[1]:
        return "unclear: more steps than one engine can have taken"
    if context is None:
        return "silent: does not say what requests read"
    decoding, prompt = sums.decoded / sums.iterations, (sums.prompt - sums.cached) / sums.iterations
    found = Evidence(sums.seconds, 1000 * sums.seconds / sums.iterations, decoding, decoding * context, prompt)
    ratio = found.step_ms / pool.step.step_ms(found.decoding, found.kv_tokens, found.prefill_tokens)
    return found if 1 / UNLIKELY <= ratio <= UNLIKELY else "unclear: step times far from anything credible"


def _context(before: ReplicaSample, now: ReplicaSample, sums: _Sums, seen: Observation, pool: Pool) -> float | None:
    """Tokens that a decoding sequence reads: KV in use per running request at both ends; by the lengths of requests
    where a cache lets them share blocks, or where the engine does not tell its KV use.
    """
    length_in, length_out = seen.mean_input_tokens, seen.mean_output_tokens
    used, running = 0.0, 0.0
    for sample in (before, now):
        capacity = sample.kv_capacity_tokens or pool.kv_tokens
        used += (sample.kv_usage_ratio or 0.0) * capacity
        running += sample.running or 0.0
    shared = sums.cached > MOST_CACHED * sums.prompt
    if length_in is not None and length_out and (shared or used <= 0):
        squared = seen.output_tokens_second_moment or length_out**2
        return length_in + squared / (2 * length_out)
    return used / running if used > 0 and running > 0 else None
