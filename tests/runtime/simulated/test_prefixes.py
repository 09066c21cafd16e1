"""The prefix cache against a plain engine with a hash for every block, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from runtime.simulated.schedulers import SCHEDULERS, Scheduling
from runtime.simulated.state import forget_prefixes
from tests.runtime.simulated.reference_schedulers import rules
from tests.runtime.simulated.test_kernel import EXACT, POOL, Case, Pair, cases, crowd, expect_same_requests, run

ROOMY = replace(POOL, kv_blocks=200, max_batched_tokens=64)


def burst(pool: object, *requests: tuple[int, int, int], every_s: float = 1.0) -> Pair:
    """Requests of (input, output, tokens of the one prefix), some time apart."""
    sizes = [(i * every_s, tokens, output) for i, (tokens, output, _) in enumerate(requests)]
    return run(Case(pool, sizes, [], [], [(1, shared) for *_, shared in requests]))  # type: ignore[arg-type]


def hits(pair: Pair) -> list[int]:
    """Tokens that each request found."""
    return pair.state.requests["hit"].tolist()  # type: ignore[no-any-return]


@settings(max_examples=300)
@given(cases(aborts=True, prefixes=True))
def test_every_request_has_the_times_of_hashed_blocks(case: Case) -> None:
    pair = run(case)
    expect_same_requests(pair)
    assert hits(pair) == [request.hit for request in pair.requests]
    assert pair.engine["prefix_queries_tokens"] == pair.plain.looked_up
    assert pair.engine["prefix_hits_tokens"] == pair.plain.found


@settings(max_examples=80)
@given(cases(aborts=True, prefixes=True))
def test_every_token_appears_when_its_step_ends(case: Case) -> None:
    tokens = sorted({at_s for request in run(case).requests for at_s in request.token_s})
    expect_same_requests(run(case, [*tokens, *(float(np.nextafter(at_s, 0)) for at_s in tokens)]))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_has_the_times_of_hashed_blocks(name: str, seed: int) -> None:
    scheduling = Scheduling(name, 0.5 if seed % 2 else 4.0, 0.03125)
    pair = run(crowd(seed, prefixes=(2, 5, 20, 100)[seed]), scheduling=scheduling, rules=rules(scheduling))
    expect_same_requests(pair)
    assert pair.plain.found > 0
    assert pair.engine["used_blocks"] == pair.engine["unprefilled"] == pair.engine["waiting_tokens"] == 0
    assert (pair.state.groups[0]["users"] == 0).all() and (pair.state.groups[0]["pinned"] == 0).all()


def test_the_second_prompt_computes_what_the_first_did_not() -> None:
    """Blocks of 4: of 30 tokens in common, 7 blocks are full."""
    pair = burst(ROOMY, (40, 2, 30), (40, 2, 30))
    first, second = pair.requests
    assert hits(pair) == [0, 28]
    assert first.token_s[0] == EXACT.step_ms(0, 0, 40) / 1000
    assert second.token_s[0] - 1.0 == EXACT.step_ms(0, 0, 12) / 1000
    assert second.token_s[1] - second.token_s[0] == EXACT.step_ms(1, 41, 0) / 1000


def test_the_last_token_is_always_computed() -> None:
    assert hits(burst(ROOMY, (40, 2, 40), (40, 2, 40))) == [0, 36]


def test_a_conversation_reads_its_earlier_turns() -> None:
    assert hits(burst(ROOMY, (20, 4, 20), (48, 4, 48), (80, 4, 80))) == [0, 20, 48]


def test_prompts_of_one_step_share_what_the_first_of_them_computes() -> None:
    pair = burst(ROOMY, (20, 30, 16), (20, 30, 16), (20, 30, 16), every_s=0.0)
    assert hits(pair) == [0, 16, 16]
    assert pair.plain.step_tokens[0] == 20 + 4 + 4


def test_what_nobody_holds_is_free_and_goes_when_it_is_needed() -> None:
    """20 usable blocks: the 10 of the prefix are cached and free, until a prompt of 14 blocks takes 4 of them."""
    small = replace(POOL, kv_blocks=21, max_batched_tokens=64)
    case = Case(small, [(0.0, 41, 1), (1.0, 56, 1), (2.0, 41, 1)], [], [0.5, 1.5], [(1, 40), (0, 0), (1, 40)])
    assert hits(run(case)) == [0, 0, 24]


def test_of_two_prefixes_the_one_let_go_first_is_evicted() -> None:
    small = replace(POOL, kv_blocks=21, max_batched_tokens=64)
    sizes = [(float(i), tokens, 1) for i, tokens in enumerate([33, 33, 33, 24, 33, 33])]
    keys = [(1, 32), (2, 32), (1, 32), (0, 0), (1, 32), (2, 32)]
    assert hits(run(Case(small, sizes, [], [], keys))) == [0, 0, 32, 0, 32, 24]


def test_a_pool_without_caching_finds_nothing() -> None:
    pair = burst(replace(ROOMY, prefix_caching=False), (40, 2, 30), (40, 2, 30))
    assert hits(pair) == [0, 0]
    assert pair.engine["prefix_queries_tokens"] == 0 and not pair.cached


def test_a_prefix_without_a_key_is_nobodys() -> None:
    pair = run(Case(ROOMY, [(0.0, 40, 2), (1.0, 40, 2)], [], [], [(0, 30), (0, 30)]))
    assert hits(pair) == [0, 0] and not pair.cached


def test_an_engine_that_slept_has_forgotten() -> None:
    pair = burst(ROOMY, (40, 2, 30))
    assert pair.cached == {1: 7}
    forget_prefixes(pair.state, 0)
    assert not pair.cached and pair.engine["evictable_blocks"] == 0


def test_where_there_is_no_room_for_a_prefix_it_is_not_cached() -> None:
    pair = Pair(Case(ROOMY, [(0.0, 40, 2), (1.0, 40, 2)], [], [], [(1, 30), (1, 30)]))
    pair.state = pair.state._replace(groups=pair.state.groups[:, :1].copy(), chains=pair.state.chains[:, :1].copy())
    for slot in range(2):
        pair.enqueue(slot)
    pair.advance(1e6)
    assert hits(pair) == [0, 0] and pair.engine["used_blocks"] == 0
