"""The arithmetic of LARRY, of shortest predicted first and of the adaptive prefill budget: numbers in, numbers out.

The same rules as ``runtime.simulated.schedulers``, which numba compiles and vLLM's environment could not load; tests
hold both equal on the same states. LARRY is read from arXiv 2410.17840. Lengths are tokens, memory is
KV blocks, times are seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

EDGES = (1, 2, *(tokens << octave for octave in range(22) for tokens in (3, 4)))
"""Largest length of each class, tokens: 1, 2, 3, 4, 6, 8, 12, … 8 Mi; two classes to an octave."""
CLASSES = len(EDGES)
ALL = CLASSES
"""The place of the counts of all prompts together."""

LEAST_SEEN = 16
MOST_SEEN = 1 << 14
"""Counts of a class are halved when they reach so many, so that an engine that runs for weeks follows its traffic."""

CALM, CROWDED = 0.7, 1.2
AGEING = 2.0**-10
"""A second of waiting counts as much as so many seconds of prefill, about 14 tokens of a 70B model on 2 H100."""
MOST_PREEMPTIONS = 2
LEAST_PREFILL_TOKENS = 64


class Waits(Protocol):
    """What an order looks at; tickets are given in the order of arrival."""

    ticket: int
    arrival_s: float
    line: int
    prefill_tokens: int


W = TypeVar("W", bound=Waits)


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of an iteration: ``a`` at least, ``b`` per sequence, ``k`` per KV token read, ``p`` per prefill token."""

    a: float
    b: float
    k: float
    p: float


def length_class(tokens: int) -> int:
    """Index of the first edge that is not below so many tokens; the last one holds everything beyond."""
    return min(bisect_left(EDGES, tokens), CLASSES - 1)


class Lengths:
    """Outputs counted by class of prompt, of which predictions are quantiles."""

    def __init__(self) -> None:
        self._counts = [[0] * CLASSES for _ in range(CLASSES + 1)]

    @property
    def seen(self) -> int:
        """Requests that predictions rest on, those that were halved away aside."""
        return sum(self._counts[ALL])

    def learn(self, prompt: int, output: int) -> None:
        """A request ended with that many tokens."""
        at = length_class(output)
        for row in (length_class(prompt), ALL):
            counts = self._counts[row]
            counts[at] += 1
            if counts[at] >= MOST_SEEN:
                self._counts[row] = [count // 2 for count in counts]

    def predict(self, prompt: int, written: int, percent: int) -> int:
        """That percentile of the whole output of a request that has written so much; one more if nothing is known."""
        first = length_class(written + 1)
        for row in (length_class(prompt), ALL):
            counts = self._counts[row]
            total = sum(counts[first:])
            if total < LEAST_SEEN:
                continue
            seen = 0
            for at in range(first, CLASSES):
                seen += counts[at]
                if 100 * seen >= percent * total:
                    return max(written + 1, EDGES[at])
        return written + 1


def blocks(tokens: int, block_tokens: int) -> int:
    """KV blocks that so many tokens fill or begin."""
    return (tokens + block_tokens - 1) // block_tokens


def crowding(demanded_blocks: int, usable_blocks: int) -> float:
    """From 0, order of arrival, to 1, where the time to prefill counts in full."""
    return min(1.0, max(0.0, (demanded_blocks / usable_blocks - CALM) / (CROWDED - CALM)))


def admits(running: int, running_blocks: int, wanted_blocks: int, usable_blocks: int, full_percent: int) -> bool:
    """Whether a demand fits beside the demands of what runs; where nothing runs it goes in anyway."""
    return running == 0 or 100 * (running_blocks + wanted_blocks) <= full_percent * usable_blocks


def overdue(heads: Iterable[W], now_s: float, patience_s: float) -> W | None:
    """Who came first of those whose patience has ended; None while it has for nobody."""
    oldest = min(heads, key=lambda head: head.ticket, default=None)
    return oldest if oldest is not None and now_s > oldest.arrival_s + patience_s else None


def shortest_prefill(heads: Iterable[W], crowd: float, prefill_s_per_token: float) -> W | None:
    """LARRY's next: the least time to prefill, as far as it is crowded, less what was waited; None for nobody.

    The time waited is the present less the arrival, and the present is the same for all.
    """

    def key(head: W) -> tuple[float, int]:
        return prefill_s_per_token * head.prefill_tokens * crowd + AGEING * head.arrival_s, head.ticket

    return min(heads, key=key, default=None)


def shortest_predicted(heads: Iterable[W]) -> W | None:
    """The next by class of predicted output, each line holding one class; None for nobody."""
    return min(heads, key=lambda head: head.line, default=None)


def victim(running: Sequence[tuple[int, int]]) -> int:
    """Who gives way, as an index, of one or more that run, each as tokens computed and times preempted.

    Whoever costs least to recompute, the newest of equals, but nobody ``MOST_PREEMPTIONS`` times while there is
    another; where there is none, the newest.
    """
    spared = [at for at, (_, preemptions) in enumerate(running) if preemptions < MOST_PREEMPTIONS]
    return min(spared, key=lambda at: (running[at][0], -at), default=len(running) - 1)


def prefill_room(budget: int, decoding: int, kv_tokens: int, step: Step, tpot_s: float) -> int:
    """Prompt tokens that leave the step within ``tpot_s``, of a budget for all tokens of a step.

    ``kv_tokens`` are those of the ``decoding`` sequences; with none of these nobody is stalled. The argument of
    Sarathi-Serve (arXiv 2403.02310).
    """
    left = budget - decoding
    if decoding == 0 or step.p <= 0:
        return left
    decode_s = step.a + step.b * decoding + step.k * (kv_tokens + decoding)
    return min(left, max(LEAST_PREFILL_TOKENS, int((tpot_s - decode_s) / step.p)))
