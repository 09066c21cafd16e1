"""Queues against lists: order, both ends, and what is counted of them."""

from __future__ import annotations

import numpy as np

from runtime.simulated.queues import append_running, append_waiting, pop_waiting, put_first, remove_running
from runtime.simulated.state import NO_SLOT, EngineState, new_state


def engine(count: int = 5) -> EngineState:
    """Nobody waits or runs; request i has 10 + i prompt tokens, of which i are cached."""
    state = new_state(1, count, 4)
    state.replicas[0]["run_head"] = state.replicas[0]["run_tail"] = NO_SLOT
    state.requests["input"], state.requests["hit"] = 10 + np.arange(count), np.arange(count)
    return state


def chain(state: EngineState, slot: int) -> list[int]:
    """From that request on."""
    slots = []
    while slot != NO_SLOT:
        slots.append(int(slot))
        slot = state.requests[slot]["next"]
    return slots


def test_a_line_keeps_the_order_of_arrival_and_lets_one_go_first() -> None:
    state = engine()
    for slot in (0, 1, 2):
        append_waiting(state, 0, slot)
    put_first(state, 0, 3)
    assert chain(state, state.line_head[0, 0]) == [3, 0, 1, 2]
    assert (state.replicas[0]["waiting"], state.replicas[0]["waiting_tokens"]) == (4, 40)


def test_each_line_has_its_own_order() -> None:
    state = engine()
    state.requests["line"] = [1, 2, 1, 2, 1]
    for slot in range(5):
        append_waiting(state, 0, slot)
    assert chain(state, state.line_head[0, 1]) == [0, 2, 4]
    assert chain(state, state.line_head[0, 2]) == [1, 3]


def test_an_empty_line_has_no_ends() -> None:
    state = engine()
    append_waiting(state, 0, 1)
    pop_waiting(state, 0, 1)
    assert state.line_head[0, 0] == state.line_tail[0, 0] == NO_SLOT
    assert state.replicas[0]["waiting"] == state.replicas[0]["waiting_tokens"] == 0


def test_anybody_may_leave_what_runs() -> None:
    for leaving in range(4):
        state = engine()
        for slot in range(4):
            append_running(state, 0, slot)
        remove_running(state, 0, leaving)
        left = [slot for slot in range(4) if slot != leaving]
        assert chain(state, state.replicas[0]["run_head"]) == left
        assert state.replicas[0]["run_tail"] == left[-1] and state.replicas[0]["running"] == 3
