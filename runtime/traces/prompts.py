"""Prompts for a trace that is sent to real engines: random token ids, the same where the trace says they are shared.

Promise: of two requests with one prefix key the first tokens are equal, as many as the lesser of their
``prefix_tokens`` says, so an engine's prefix cache finds what the trace's maker meant it to find; all else differs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runtime.traces.trace import Trace

TOKEN_IDS = (3, 250)
"""Prompts are random ids of this range, which every vocabulary has."""


def prompts(trace: Trace, seed: int = 0) -> Iterator[list[int]]:
    """Token ids of each request, in the trace's order; another seed shares nothing with this one."""
    rng = np.random.default_rng(seed)
    for i, tokens in enumerate(trace.input_tokens.tolist()):
        key = 0 if trace.prefix is None else int(trace.prefix[i])
        shared = 0 if trace.prefix_tokens is None or not key else min(int(trace.prefix_tokens[i]), tokens)
        begins = np.random.default_rng((seed, key)).integers(*TOKEN_IDS, shared) if shared else ()
        yield [*map(int, begins), *rng.integers(*TOKEN_IDS, tokens - shared).tolist()]
