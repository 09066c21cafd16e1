"""Prefixes: one key and one length a request never serve more than the whole tree would, and chains as much."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.traces.prefixes import groups

Path = list[int]


def keyed(paths: list[Path]) -> tuple[list[int], list[int]]:
    """Key and blocks of each request."""
    ids = np.array([block for path in paths for block in path], np.int64)
    key, blocks = groups(np.array([len(path) for path in paths]), ids)
    return key.tolist(), blocks.tolist()


def served(paths: list[Path]) -> list[int]:
    """Blocks that a cache without bounds has of each request, if it knows its key and its length."""
    cached: dict[int, int] = {}
    hits = []
    for key, blocks in zip(*keyed(paths), strict=True):
        hits.append(min(cached.get(key, 0), blocks))
        cached[key] = max(cached.get(key, 0), blocks)
    return hits


def true(paths: list[Path]) -> list[int]:
    """Leading blocks of each request that came by before, one by one."""
    seen: set[tuple[int, ...]] = set()
    hits = []
    for path in paths:
        prefixes = list(accumulate(([block] for block in path), lambda a, b: a + b))
        hits.append(sum(tuple(prefix) in seen for prefix in prefixes))
        seen.update(map(tuple, prefixes))
    return hits


PATHS = st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=25)


@settings(max_examples=300, deadline=None)
@given(PATHS)
def test_never_more_than_the_tree(paths: list[Path]) -> None:
    assert all(got <= most for got, most in zip(served(paths), true(paths), strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=6), st.randoms())
def test_sessions_of_their_own_lose_nothing(sessions: list[list[int]], random: object) -> None:
    """Turns that each add some blocks, mixed with those of others in any order."""
    turns = [(s, turn) for s, added in enumerate(sessions) for turn in accumulate(added)]
    random.shuffle(turns)  # type: ignore[attr-defined]
    paths = [[100 * s + block for block in range(turn)] for s, turn in turns]
    assert served(paths) == true(paths)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(1, 9))
def test_a_common_system_prompt_loses_nothing(prompts: list[int], blocks: int) -> None:
    paths = [[100 * prompt + block for block in range(blocks)] + [1000 + i] for i, prompt in enumerate(prompts)]
    assert served(paths) == true(paths)


def test_the_first_turn_under_a_system_prompt_is_what_is_lost() -> None:
    system = [1, 2]
    first, second = [[*system, s, s + 1, s + 2, s + 3] for s in (10, 20)]
    paths = [first, second, [*first, 14, 15], [*second, 24, 25]]
    assert true(paths) == [0, 2, 6, 6]
    assert served(paths) == [0, 0, 6, 6]


def test_short_branches_stay_with_their_root() -> None:
    """Two requests that share one more block than the other hundred do are not worth a key of their own."""
    system = list(range(10))
    paths = [[*system, 100 + i] for i in range(100)] + [[*system, 50, 900], [*system, 50, 901]]
    key, blocks = keyed(paths)
    assert set(key) == {1} and sum(true(paths)) - sum(served(paths)) <= 2
    assert min(blocks) == 10


def test_who_shares_nothing_has_no_key() -> None:
    assert keyed([[1, 2], [], [3], [1]]) == ([1, 0, 0, 1], [1, 0, 0, 1])
    assert keyed([[], []]) == ([0, 0], [0, 0])


def test_a_block_is_told_by_what_is_before_it_too() -> None:
    """Ids of contents instead of prefixes do not join what only ends alike."""
    assert keyed([[1, 7, 8], [2, 7, 8]]) == ([0, 0], [0, 0])


@pytest.mark.parametrize(("single", "least"), [(0.0, 0.92), (0.5, 0.93), (1.0, 1.0)])
def test_what_is_left_of_the_hits_of_conversations(single: float, least: float) -> None:
    """Sessions under 40 system prompts of 1 to 11 blocks, some of a single turn: the loss that the docs state."""
    paths = conversations(single)
    assert sum(served(paths)) >= least * sum(true(paths)) > 0


def conversations(single: float, sessions: int = 1500) -> list[Path]:
    """Prompts in the order of their arrival; turns grow, and the last block of half of them changes in the next."""
    rng = np.random.default_rng(1)
    system, fresh, turns = rng.integers(1, 12, 40), iter(range(10**6, 10**9)), []
    for _ in range(sessions):
        group = min(int(rng.zipf(1.5)), 40) - 1
        path, at_s = [1000 * group + block for block in range(system[group])], 3600 * rng.random()
        for _ in range(1 if rng.random() < single else int(rng.geometric(0.25))):
            path += [next(fresh) for _ in range(rng.geometric(1 / 3))]
            turns.append((at_s, list(path)))
            path[-1] = next(fresh) if rng.random() < 0.5 else path[-1]
            at_s += rng.exponential(60)
    return [path for _, path in sorted(turns)]
