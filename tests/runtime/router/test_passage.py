"""The account of a replica is right at every moment, and nothing of a request stays in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.router.load import Asked
from runtime.router.passage import send
from tests.runtime.router.loads import load


def test_a_request_from_its_sending_to_its_end() -> None:
    there = load()
    passage = send(there, Asked(100), 10.0)
    assert (there.waiting, there.running, there.unprefilled, there.in_flight_tokens) == (1, 0, 100, 100)
    passage.write(3)
    assert (there.waiting, there.running, there.unprefilled, there.kv_tokens) == (0, 1, 0, 103)
    passage.end(14.0)
    assert (there.requests, there.kv_tokens, there.in_flight_tokens) == (0, 0, 0)
    assert (there.ended, there.written_tokens, there.released_tokens, there.busy_s) == (1, 3, 103, 4.0)


def test_what_it_will_write_is_the_mean_so_far_and_no_more_than_it_may() -> None:
    there = load(written_tokens=300, ended=3)
    assert send(there, Asked(10), 0.0).expected == 100
    assert send(there, Asked(10, most_output_tokens=20), 0.0).expected == 20
    assert send(load(), Asked(10, most_output_tokens=1_000_000), 0.0).expected == 0


def test_what_is_cached_is_not_prefilled_again() -> None:
    there, asked = load(), Asked(200, blocks=(1, 2, 3))
    send(there, asked, 0.0).begin()
    send(there, asked, 0.0)
    assert there.unprefilled == 200 - 192


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["begin", "write", "end"])), max_size=60))
def test_nothing_stays(steps: list[tuple[int, str]]) -> None:
    there = load()
    passages = [send(there, Asked(10 * i, blocks=tuple(range(1, i))), 0.0) for i in range(5)]
    for i, what in steps:
        match what:
            case "begin":
                passages[i].begin()
            case "write":
                passages[i].write(2)
            case _:
                passages[i].end(1.0)
    for passage in passages:
        passage.end(2.0)
    left = (there.running, there.waiting, there.unprefilled, there.kv_tokens, there.in_flight_tokens)
    assert left == (0, 0, 0, 0, 0)
