"""The next to end is told whatever else is still in the heap."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.simulated.finishing import next_finish, pop, push
from runtime.simulated.queues import append_running
from runtime.simulated.state import DECODE, WAITING, EngineState, new_state


def decoding(steps: list[int], max_seqs: int = 8) -> EngineState:
    """Requests that run and end with these steps."""
    state = new_state(1, len(steps), max_seqs)
    state.replicas[0]["run_head"] = state.replicas[0]["run_tail"] = -1
    for slot, step in enumerate(steps):
        state.requests[slot]["status"], state.requests[slot]["finish_step"] = DECODE, step
        append_running(state, 0, slot)
        push(state, 0, step, slot)
    return state


@settings(max_examples=50)
@given(st.lists(st.integers(1, 50), max_size=32))
def test_they_end_in_the_order_of_their_steps(steps: list[int]) -> None:
    state, seen = decoding(steps), []
    while (step := next_finish(state, 0)) >= 0:
        seen.append(step)
        pop(state, 0)
    assert seen == sorted(steps)


def test_whoever_left_is_passed_over() -> None:
    state = decoding([3, 5, 9])
    state.requests[0]["status"] = WAITING
    state.requests[1]["finish_step"] = 12
    assert next_finish(state, 0) == 9


def test_a_heap_full_of_who_left_is_made_anew() -> None:
    """Room for 4 entries a sequence: the fifth finds only who runs."""
    state = decoding([7], max_seqs=1)
    for step in (3, 2, 1):
        push(state, 0, step, 0)
    push(state, 0, 4, 0)
    assert state.replicas[0]["heap_size"] == 1
    assert next_finish(state, 0) == 7
