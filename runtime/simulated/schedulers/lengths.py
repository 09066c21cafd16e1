"""How long an answer will be, as a quantile of what was seen: nobody knows a length, but its distribution is known.

Each engine counts the outputs of the requests that it finished, by class of prompt length (two classes to an
octave). A prediction is the quantile of the counted outputs that are longer than what a request has already written;
classes with fewer than ``LEAST_SEEN`` lean on all prompts together. Whole numbers throughout.
"""

from __future__ import annotations

import numpy as np

from runtime.simulated.jit import jit
from runtime.simulated.state import LENGTH_EDGES, EngineState

LEAST_SEEN = 16
ALL = len(LENGTH_EDGES)
"""The place of the counts of all prompts together."""


@jit
def length_class(tokens: int) -> int:
    """Index of the first edge that is not below so many tokens; the last one holds everything beyond."""
    i = 0
    while i < ALL - 1 and LENGTH_EDGES[i] < tokens:
        i += 1
    return i


@jit
def learn(s: EngineState, row: int, prompt: int, output: int) -> None:
    """A request of that replica ended with that many tokens."""
    at = length_class(output)
    s.lengths[row, length_class(prompt), at] += 1
    s.lengths[row, ALL, at] += 1


@jit
def predict(s: EngineState, row: int, prompt: int, written: int, percent: int) -> int:
    """That percentile of the whole output of a request that has written so much; one token more if nothing is known."""
    first = length_class(written + 1)
    for known in (length_class(prompt), ALL):
        counts = s.lengths[row, known]
        total = np.sum(counts[first:])
        if total < LEAST_SEEN:
            continue
        seen = 0
        for i in range(first, ALL):
            seen += counts[i]
            if 100 * seen >= percent * total:
                return max(written + 1, LENGTH_EDGES[i])
    return written + 1
