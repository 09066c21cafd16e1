"""Conversations of several turns, for what no public trace of lengths shows: prompts that grow out of each other.

A session begins with one of a few system prompts, the first ones far more often than the last. Each turn adds a
message, waits for the answer, and thinks; its prompt is all that was said before and the message. Messages and answers
are as long as the prompts and answers of a real trace, drawn with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.traces import Trace

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shape:
    """How people talk. Turns are geometric, pauses exponential, system prompts lognormal with a sigma of 0.8."""

    turns_mean: float = 5.0
    pause_mean_s: float = 40.0
    answer_s_per_token: float = 0.04
    system_prompts: int = 40
    system_tokens_median: float = 800.0
    most_tokens: int = 32_000
    """Nobody goes on where prompt and answer would be longer than this together."""


def conversations(lengths: Trace, sessions: int, sessions_per_s: float, seed: int, shape: Shape = Shape()) -> Trace:
    """So many sessions, begun by a Poisson process, as a trace with ``session``, ``prefix`` and ``prefix_tokens``.

    One prefix a request cannot say all (``runtime.traces.prefixes``): a session of several turns has a key of its own
    for its growing context, one of a single turn has that of its system prompt. Answers are taken to be computed anew
    when they come back as part of a prompt. The lengths do not depend on ``sessions_per_s``.
    """
    rng = np.random.default_rng(seed)
    turns = rng.geometric(1 / shape.turns_mean, sessions)
    system = np.minimum(rng.zipf(1.5, sessions), shape.system_prompts) - 1
    system_tokens = np.ceil(shape.system_tokens_median * rng.lognormal(0, 0.8, shape.system_prompts)).astype(np.int64)
    owner = np.repeat(np.arange(sessions), turns)
    drawn = rng.integers(lengths.requests, size=len(owner))
    message, answer = (column[drawn].astype(np.int64) for column in (lengths.input_tokens, lengths.output_tokens))
    pause_s = rng.exponential(shape.pause_mean_s, len(owner)) + shape.answer_s_per_token * answer
    begin_s = np.cumsum(rng.exponential(1 / sessions_per_s, sessions))

    prompt = system_tokens[system][owner] + _within(message + answer * 1.0, turns).astype(np.int64) - answer
    at_s = begin_s[owner] + _within(pause_s, turns) - pause_s
    kept = prompt + answer <= shape.most_tokens
    order = np.flatnonzero(kept)[np.argsort(at_s[kept], kind="stable")]
    prefix, tokens = _prefixes(owner, prompt, system, system_tokens, kept)
    return Trace(
        f"conversations of {lengths.name}",
        at_s[order] - at_s[order[0]],
        prompt[order].astype(np.int32),
        answer[order].astype(np.int32),
        session=(owner[order] + 1).astype(np.int32),
        prefix=prefix[order].astype(np.int32),
        prefix_tokens=tokens[order].astype(np.int32),
    )


def _within(values: Floats, turns: Ints) -> Floats:
    """Running sums that begin anew with each session."""
    sums = np.cumsum(values)
    last = np.cumsum(turns) - 1
    return sums - np.repeat(sums[last] - np.add.reduceat(values, last - turns + 1), turns)


def _prefixes(owner: Ints, prompt: Ints, system: Ints, system_tokens: Ints, kept: Mask) -> tuple[Ints, Ints]:
    """Key and tokens of every turn; turns that are not kept end their session."""
    goes_on = np.append(kept[1:] & (owner[1:] == owner[:-1]), False)
    came_from = np.append(False, goes_on[:-1])
    whole = np.where(goes_on, prompt, np.append(0, prompt[:-1]))
    alone = ~goes_on & ~came_from
    key = np.where(alone, system[owner], len(system_tokens) + owner) + 1
    return key, np.where(alone, system_tokens[system][owner], whole)
