"""The benchmark of plans: its pools exist, and a cell says limit and ratio."""

from __future__ import annotations

from benchmarks.planner import POOLS, candidate, judged


def test_every_pool_can_be_built() -> None:
    assert [candidate(*pool).pool.gpus_per_replica for pool in POOLS] == [tensor for *_, tensor in POOLS]


def test_a_cell_is_the_limit_and_the_ratio() -> None:
    limit, ratio = judged(candidate(*POOLS[0]), 500, 50, 0.0, 2).split()
    assert limit in ("tpot", "ttft", "kv") and 0 < float(ratio) <= 2


def test_a_hopeless_shape_says_so() -> None:
    assert judged(candidate(*POOLS[-1]), 100_000, 50, 0.0, 2).startswith("no: ")
