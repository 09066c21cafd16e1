"""The free list: a slot belongs to one request at a time, and memory follows what is in flight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.slots import Slots
from runtime.simulated.state import DONE, FREE, HELD, NO_SLOT, new_state
from runtime.simulated.workload import TraceWorkload
from runtime.simulated.world import FIRST_SLOTS, World
from runtime.traces import Trace
from tests.runtime.simulated.fleets import START_S, finish, service


def slots(count: int = 4) -> Slots:
    made = Slots()
    made.attach(new_state(1, count, 4))
    return made


def take(slots: Slots, count: int) -> list[int]:
    tokens = np.arange(1, count + 1)
    taken = slots.take(tokens.astype(np.float64), tokens, tokens, np.zeros(count, np.int32))
    slots.state.requests["status"][taken] = HELD
    return [int(slot) for slot in taken]


def test_a_request_starts_with_clean_fields() -> None:
    one = slots()
    one.state.requests["generated"] = 7
    slot = one.take_one(arrival_s=5.0, input_tokens=30, output_tokens=0, service=1)
    record = one.state.requests[slot]
    assert (record["arrival"], record["input"], record["output"], record["service"]) == (5.0, 30, 1, 1)
    assert (record["generated"], record["replica"], record["first_scheduled"]) == (0, NO_SLOT, -1.0)


def test_growing_keeps_what_is_there() -> None:
    few = slots(2)
    first = take(few, 2)
    more = take(few, 5)
    assert len(few.state.requests) == len(few.state.done) == 8
    assert sorted(first + more) == list(range(7))
    assert few.state.requests["arrival"][first].tolist() == [1.0, 2.0]


def test_ended_slots_are_told_once() -> None:
    some = slots()
    a, b, _ = take(some, 3)
    some.mark_ended(b)
    some.mark_ended(a)
    assert some.ended().tolist() == [b, a]
    assert some.ended().tolist() == []


def test_what_ended_before_growing_is_still_told() -> None:
    some = slots(2)
    a, _ = take(some, 2)
    some.mark_ended(a)
    take(some, 3)
    assert some.ended().tolist() == [a]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 100)), max_size=40))
def test_no_slot_is_given_to_two_requests(steps: list[tuple[int, int]]) -> None:
    """Some are taken and some given back, over and over: those out are distinct, and all are accounted for."""
    some, out = slots(), set[int]()
    for count, give in steps:
        taken = take(some, count)
        assert not out & set(taken)
        assert len(set(taken)) == count
        out |= set(taken)
        back = sorted(out)[:: give + 1]
        some.give_back(back)
        out -= set(back)
        assert some.in_use == len(out)
        free = np.flatnonzero(some.state.requests["status"] == FREE)
        assert set(free.tolist()) == set(range(len(some.state.requests))) - out


@given(st.lists(st.integers(1, 4), min_size=1, max_size=50))
def test_memory_follows_what_is_in_flight(counts: list[int]) -> None:
    some = slots()
    for count in counts:
        taken = take(some, count)
        some.state.requests["status"][taken] = DONE
        some.give_back(taken)
    assert len(some.state.requests) == 4


@pytest.mark.parametrize(("spread_s", "slots_needed"), [(1e-6, 2 * FIRST_SLOTS), (30.0, FIRST_SLOTS)])
def test_a_world_has_room_for_more_than_its_first_slots(spread_s: float, slots_needed: int) -> None:
    """The same requests all at once need the arrays to grow; one after the other they do not."""
    count = FIRST_SLOTS + 1000
    tokens = np.ones(count, np.int32)
    workload = TraceWorkload(Trace("crowd", np.linspace(0, spread_s, count), tokens, tokens), "chat", START_S)
    crowd = World([service(active=8, max_num_seqs=2048)], workload)
    assert finish(crowd).outcomes[0].requests == count
    assert len(crowd.state.requests) == slots_needed
    assert crowd.slots.in_use == 0
