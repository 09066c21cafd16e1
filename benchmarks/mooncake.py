"""A seeded trace in Mooncake's format, for whoever has no file of it: conversations whose prompts share blocks.

``timestamp`` in milliseconds, ``input_length``, ``output_length`` and ``hash_ids``, one id for each block of 512
tokens, each standing for the prompt up to its end. Sessions are those of ``benchmarks.conversations``; the beginning
of each is one of a few system prompts, so that blocks are shared between sessions as well as between their turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.conversations import Shape, conversations
from runtime.traces import Trace

BLOCK_TOKENS = 512
SHAPE = Shape(system_tokens_median=2000.0)


def write(path: Path, lengths: Trace, sessions: int, seed: int, shape: Shape = SHAPE) -> None:
    """That many sessions, one begun each second, their messages and answers as long as those of a trace."""
    trace = conversations(lengths, sessions, 1.0, seed, shape)
    assert trace.session is not None
    rng = np.random.default_rng(seed + 1)
    system = np.minimum(rng.zipf(1.5, sessions + 1), shape.system_prompts) - 1
    tokens = np.ceil(shape.system_tokens_median * rng.lognormal(0, 0.8, shape.system_prompts)).astype(int)
    numbers: dict[tuple[int, int, int], int] = {}
    shared: dict[int, int] = {}
    columns = (trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.session)
    with path.open("w") as file:
        for at_s, prompt, answer, session in zip(*(column.tolist() for column in columns), strict=True):
            said = shared.setdefault(session, min(int(tokens[system[session]]), prompt))
            keys = _keys(prompt, said, int(system[session]), session)
            row = {"timestamp": round(at_s * 1000), "input_length": prompt, "output_length": answer}
            ids = [numbers.setdefault(key, len(numbers)) for key in keys]
            file.write(json.dumps({**row, "hash_ids": ids}) + "\n")


def _keys(prompt: int, shared: int, system: int, session: int) -> Iterator[tuple[int, int, int]]:
    """What each block of a prompt is told apart by: its system prompt, or its session, and its place; one that is not
    full also by how full it is.
    """
    for block in range(-(-prompt // BLOCK_TOKENS)):
        end = (block + 1) * BLOCK_TOKENS
        yield (system, -1, block) if end <= shared else (session, max(0, end - prompt), block)
