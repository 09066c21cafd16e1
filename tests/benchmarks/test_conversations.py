"""Conversations: prompts that grow turn by turn, and prefixes that say what they share and no more."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.conversations import Shape, conversations
from runtime.traces import Trace

LENGTHS = Trace("lengths", np.arange(3.0), np.array([100, 200, 900], np.int32), np.array([10, 50, 5], np.int32))
Turn = tuple[float, int, int, int, int]


def sessions(trace: Trace) -> dict[int, list[Turn]]:
    """(arrival, prompt, answer, prefix, its tokens) of each turn, by session."""
    assert trace.session is not None and trace.prefix is not None and trace.prefix_tokens is not None
    columns = trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.prefix, trace.prefix_tokens
    told: dict[int, list[Turn]] = {}
    for session, *turn in zip(trace.session.tolist(), *(column.tolist() for column in columns), strict=True):
        told.setdefault(session, []).append(tuple(turn))
    return told


def test_prompts_grow_by_the_answer_and_a_message() -> None:
    trace = conversations(LENGTHS, 200, 2.0, seed=1)
    assert (np.diff(trace.arrival_s) >= 0).all() and trace.arrival_s[0] == 0
    steps = [pair for turns in sessions(trace).values() for pair in pairwise(turns)]
    assert steps and {after[1] - before[1] - before[2] for before, after in steps} == {100, 200, 900}
    assert all(after[0] - before[0] > 0.04 * before[2] for before, after in steps)


def test_prefixes_of_turns_and_of_system_prompts() -> None:
    for turns in sessions(conversations(LENGTHS, 200, 2.0, seed=1)).values():
        *others, last = [(prompt, tokens) for _, prompt, _, _, tokens in turns]
        assert len({turn[3] for turn in turns}) == 1 and all(prompt == tokens for prompt, tokens in others)
        assert last[1] == others[-1][0] if others else 0 < last[1] < last[0]
        assert (turns[0][3] > Shape().system_prompts) == bool(others)


def test_a_conversation_ends_where_it_would_be_too_long() -> None:
    short = conversations(LENGTHS, 200, 2.0, seed=1, shape=Shape(most_tokens=2000))
    assert short.requests > 0 and (short.input_tokens + short.output_tokens).max() <= 2000


def test_a_seed_fixes_lengths_whatever_the_rate() -> None:
    one, other = (conversations(LENGTHS, 50, rate, seed=4) for rate in (1.0, 9.0))
    assert sorted(one.input_tokens.tolist()) == sorted(other.input_tokens.tolist())
    assert conversations(LENGTHS, 50, 1.0, seed=4).arrival_s.tolist() == one.arrival_s.tolist()
