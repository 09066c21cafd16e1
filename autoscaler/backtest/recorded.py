"""From what a metrics store remembers of a model to a trace: requests that add up to it, step by step.

A store holds no requests, only their numbers and sums. So in each step as many requests are made as arrived, at random
moments, with lengths drawn from the histograms of the whole span and scaled to the step's own mean. What the store does
not know is a hole: it is named, and no request is made up for it. Input and output lengths are drawn independently of
each other, since two histograms do not say how they go together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.growth import Array, whole
from collectors.observation import Histogram
from runtime.traces import Trace

MOST_MISSING = 0.5
"""A span of which a larger share is missing says too little of the traffic."""

FEWEST_STEPS = 5

BEYOND = 2.0
"""Lengths above the last finite bound of a histogram are taken to reach so many times as far."""

ROUNDS = 8
"""Most times that lengths are scaled to their mean and cut to the longest one; mostly the first is enough."""


class HistoryError(ValueError):
    """A history of which no trace can be made; the message is one line."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What all replicas of a model did in n even steps: arrays (n,), NaN where nobody knows.

    ``arrivals`` may be negative in a step and not in the sum over neighbours; the tokens are those of the requests
    that ``finished``. ``notes`` says in a sentence each what these numbers do not show.
    """

    start_s: float
    step_s: float
    arrivals: Array
    finished: Array
    input_tokens: Array
    output_tokens: Array
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hole:
    """A time of which nothing is known, UTC seconds."""

    from_s: float
    to_s: float


def holes(steps: Steps) -> tuple[Hole, ...]:
    """Runs of unknown steps, in order."""
    unknown = np.isnan(steps.arrivals).astype(np.int8)
    edges = np.flatnonzero(np.diff(unknown, prepend=0, append=0))
    times = steps.start_s + edges * steps.step_s
    return tuple(Hole(float(a), float(b)) for a, b in zip(times[::2], times[1::2], strict=True))


def trace_of(name: str, steps: Steps, inputs: Histogram | None, outputs: Histogram | None, seed: int) -> Trace:
    """The trace of these steps, the same for the same seed; raises HistoryError where they say too little.

    Without a histogram every request of a step has the step's mean length, which a note says.
    """
    _check(name, steps)
    counts = whole(steps.arrivals)
    if counts.sum() < 2 or np.nansum(steps.finished) < 1:
        raise HistoryError(f"{name}: fewer than 2 requests in the whole span; give a span with traffic")
    rng = np.random.default_rng(seed)
    of_step = np.repeat(np.arange(len(counts)), counts)
    at_s = np.sort(of_step + rng.random(len(of_step))) * steps.step_s
    columns = [
        lengths(rng, of_step, means(tokens, steps.finished), histogram)
        for tokens, histogram in ((steps.input_tokens, inputs), (steps.output_tokens, outputs))
    ]
    told = tuple(
        f"no histogram of {what} lengths: every request has its step's mean"
        for what, histogram in (("input", inputs), ("output", outputs))
        if histogram is None
    )
    return Trace(name, at_s - at_s[0], columns[0], columns[1], steps.start_s + float(at_s[0]), steps.notes + told)


def means(tokens: Array, finished: Array) -> Array:
    """Mean length of the requests that finished in each step, of the whole span where none did: (n,), 1 or more."""
    known = np.isfinite(tokens) & (finished > 0)
    whole_span = tokens[known].sum() / max(1.0, finished[known].sum())
    mean: Array = np.divide(tokens, finished, out=np.full(len(tokens), whole_span), where=known)
    return np.maximum(mean, 1.0)


def lengths(
    rng: np.random.Generator, of_step: npt.NDArray[np.int64], mean: Array, histogram: Histogram | None
) -> npt.NDArray[np.int32]:
    """A length for each request, (n,), in the shape of the histogram and with the mean of its step.

    None is longer than the longest that the histogram knows, unless the mean is.
    """
    if histogram is None:
        return np.rint(mean[of_step]).astype(np.int32)
    drawn, longest = draw(rng, histogram, len(of_step))
    longest = max(longest, float(mean.max()))
    wanted = mean * np.bincount(of_step, minlength=len(mean))
    for _ in range(ROUNDS):
        free = drawn < longest
        of_free = np.bincount(of_step, drawn * free, len(mean))
        left = wanted - np.bincount(of_step, drawn * ~free, len(mean))
        factor = np.divide(left, of_free, out=np.ones_like(left), where=of_free > 0)
        scaled = np.where(free, drawn * factor[of_step], drawn)
        drawn = np.clip(scaled, 1.0, longest)
        if (drawn == scaled).all():
            break
    return np.rint(drawn).astype(np.int32)


def draw(rng: np.random.Generator, histogram: Histogram, n: int) -> tuple[Array, float]:
    """``n`` lengths, each bucket as often as observed and log-uniform within it, and the longest possible."""
    upper = np.array(histogram.bounds)
    lower = np.concatenate([[1.0], np.maximum(upper[:-1], 1.0)])
    upper = np.maximum(np.where(np.isinf(upper), BEYOND * lower, upper), lower)
    observed = np.diff(np.array(histogram.counts), prepend=0.0).clip(0)
    buckets = rng.choice(len(upper), n, p=observed / observed.sum())
    drawn = lower[buckets] * (upper / lower)[buckets] ** rng.random(n)
    return drawn, float(upper[observed > 0].max())


def _check(name: str, steps: Steps) -> None:
    """Refuse what is too short or too full of holes."""
    n, missing = len(steps.arrivals), int(np.isnan(steps.arrivals).sum())
    if n < FEWEST_STEPS:
        raise HistoryError(f"{name}: {n} step(s) of {steps.step_s:g} s; give a span of {FEWEST_STEPS} or more")
    if missing > MOST_MISSING * n:
        raise HistoryError(
            f"{name}: {missing} of {n} steps of {steps.step_s:g} s have no data; give a span that is at least half "
            f"known, or longer steps if it is scraped less often than once a step"
        )
