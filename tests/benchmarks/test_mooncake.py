"""A generated Mooncake file is read as one, and its prompts share what they say they share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.mooncake import write
from runtime.traces import Trace, load

LENGTHS = Trace("lengths", np.arange(3.0), np.array([100, 200, 900], np.int32), np.array([10, 50, 5], np.int32))


def test_it_is_read_with_its_prefixes_and_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    write(one, LENGTHS, 200, seed=1)
    write(two, LENGTHS, 200, seed=1)
    assert one.read_text() == two.read_text()
    trace = load(one)
    assert trace.prefix is not None and trace.prefix_tokens is not None
    assert (trace.prefix_tokens <= trace.input_tokens).all() and (trace.prefix > 0).mean() > 0.5


def test_blocks_are_shared_between_turns_and_between_sessions(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    write(path, LENGTHS, 200, seed=1)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(len(row["hash_ids"]) == -(-row["input_length"] // 512) for row in rows)
    seen: set[int] = set()
    repeated = 0
    for row in rows:
        repeated += len(seen & set(row["hash_ids"]))
        seen |= set(row["hash_ids"])
    assert repeated > sum(len(row["hash_ids"]) for row in rows) / 2
