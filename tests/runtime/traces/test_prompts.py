"""Prompts that share what the trace says they share, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.traces import Trace
from runtime.traces.prompts import prompts

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=12)


def trace(rows: list[tuple[int, int, int]]) -> Trace:
    key, shared, tokens = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    at_s, answer = np.arange(len(rows), dtype=float), np.ones(len(rows), np.int32)
    return Trace("t", at_s, tokens, answer, prefix=key, prefix_tokens=shared)


@given(rows=ROWS, seed=st.integers(0, 3))
def test_prompts_of_one_key_begin_alike_and_have_their_length(rows: list[tuple[int, int, int]], seed: int) -> None:
    made = list(prompts(trace(rows), seed))
    assert [len(prompt) for prompt in made] == [tokens for _, _, tokens in rows]
    for (one, some, size), first in zip(rows, made, strict=True):
        for (other, more, length), second in zip(rows, made, strict=True):
            alike = min(some, more, size, length) if one == other != 0 else 0
            assert first[:alike] == second[:alike]


def test_nothing_is_shared_beyond_the_prefix_or_between_keys_and_seeds() -> None:
    rows = [(1, 30, 60), (1, 30, 60), (2, 30, 60)]
    first, second, third = prompts(trace(rows))
    assert first[:30] == second[:30] and first[30:] != second[30:] and first[:30] != third[:30]
    assert next(prompts(trace(rows), 1))[:30] != first[:30]
