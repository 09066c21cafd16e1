"""The router against brute force: every engine advanced for every request, the fewest chosen by looking at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.simulated.dispatch import advance_all, dispatch
from runtime.simulated.routers import LEAST_REQUESTS
from runtime.simulated.state import HELD, NO_SLOT, REASON_ABORT, EngineState, install, new_state
from tests.runtime.simulated.reference_engine import ReferenceEngine, Request
from tests.runtime.simulated.test_kernel import POOL, TICK_S

Arrival = tuple[float, int, int, int]
"""(arrival in seconds, input tokens, output tokens, service)."""


@dataclass
class Routers:
    """Two services: replicas 0 to n-1 serve the first, n to n+m-1 the second; kernel and plain engines alike."""

    first: int
    second: int

    def __post_init__(self) -> None:
        total = self.first + self.second
        self.pool = replace(POOL, max_num_seqs=3, kv_blocks=40)
        self.plain = [ReferenceEngine(self.pool) for _ in range(total)]
        self.rows = np.zeros((2, max(total, 1)), np.int64)
        self.rows[0, : self.first] = np.arange(self.first)
        self.rows[1, : self.second] = np.arange(self.first, total)
        self.counts = np.array([self.first, self.second])
        self.turn = np.zeros(2, np.int64)
        self.plain_turn = [0, 0]

    def state(self, arrivals: list[Arrival]) -> EngineState:
        state = new_state(len(self.plain), len(arrivals), self.pool.max_num_seqs, self.pool.kv_blocks)
        for row in range(len(self.plain)):
            install(state, row, self.pool, 0.0)
        for record, (at_s, tokens, output, service) in zip(state.requests, arrivals, strict=True):
            record["arrival"], record["input"], record["output"], record["service"] = at_s, tokens, output, service
            record["first_scheduled"], record["replica"] = -1.0, NO_SLOT
        return state

    def pick(self, service: int, at_s: float, request: Request) -> int:
        """Brute force: bring every engine up to now, then ask ``choose``, with the rows from the turn on."""
        rows = self.rows[service, : self.counts[service]].tolist()
        if not rows:
            return NO_SLOT
        for engine in self.plain:
            engine.advance(at_s)
        self.plain_turn[service] += 1
        start = self.plain_turn[service] % len(rows)
        return self.choose(rows[start:] + rows[:start], request)

    def choose(self, rows: list[int], request: Request) -> int:
        """The first of the least loaded."""
        return min(rows, key=lambda row: self.plain[row].load)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """Bursts and pauses, short and long requests, for two services."""
    gaps = st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 300))
    outputs = st.one_of(st.just(1), st.integers(1, 60))
    rows = draw(st.lists(st.tuples(gaps, st.integers(1, 40), outputs, st.integers(0, 1)), min_size=1, max_size=40))
    times = np.cumsum([gap for gap, *_ in rows]) * TICK_S
    return [(float(at_s), i, o, service) for at_s, (_, i, o, service) in zip(times, rows, strict=True)]


def expect_brute_force(
    routers: Routers,
    arriving: list[Arrival],
    batch: int,
    router: int = LEAST_REQUESTS,
    prefixes: list[tuple[int, int]] | None = None,
) -> None:
    """The kernel's router and the plain one send every request to the same engine, and it ends at the same time.

    ``prefixes`` are (key, tokens) of each request, if any have one.
    """
    state, shared = routers.state(arriving), prefixes or [(0, 0)] * len(arriving)
    state.requests["prefix"], state.requests["prefix_tokens"] = zip(*shared, strict=True)
    slots = np.arange(len(arriving))
    held = sum(
        dispatch(state, slots[i : i + batch], routers.rows, routers.counts, routers.turn, router)
        for i in range(0, len(arriving), batch)
    )
    requests = [Request(*arrival[:3], *prefix) for arrival, prefix in zip(arriving, shared, strict=True)]
    expected = []
    for request, (at_s, _, _, service) in zip(requests, arriving, strict=True):
        expected.append(routers.pick(service, at_s, request))
        if expected[-1] != NO_SLOT:
            routers.plain[expected[-1]].enqueue(request, at_s)
    assert state.requests["replica"].tolist() == expected
    assert held == expected.count(NO_SLOT) == (state.requests["status"] == HELD).sum()

    advance_all(state, np.arange(len(routers.plain)), 1e6)
    for engine in routers.plain:
        engine.advance(1e6)
    assert state.requests["finish"].tolist() == [request.finish_s or 0.0 for request in requests]


@settings(max_examples=150, deadline=None)
@given(arrivals(), st.integers(1, 4), st.integers(0, 3), st.integers(1, 9))
def test_each_request_goes_where_brute_force_sends_it(
    arriving: list[Arrival], first: int, second: int, batch: int
) -> None:
    expect_brute_force(Routers(first, second), arriving, batch)


@pytest.mark.parametrize("seed", range(10))
def test_a_crowd_goes_where_brute_force_sends_it(seed: int) -> None:
    """Half of the requests end with their first token, so that loads fall while others decode for long."""
    rng = np.random.default_rng(seed)
    at_s = np.cumsum(rng.integers(0, 40, 150)) * TICK_S
    outputs = np.where(rng.random(150) < 0.5, 1, rng.integers(1, 60, 150))
    rows = zip(at_s, rng.integers(1, 40, 150), outputs, rng.integers(0, 2, 150), strict=True)
    expect_brute_force(Routers(3, 2), [(float(a), int(i), int(o), int(s)) for a, i, o, s in rows], 10)


def test_equal_replicas_take_turns() -> None:
    routers = Routers(3, 0)
    arriving = [(0.0, 5, 5, 0)] * 6
    state = routers.state(arriving)
    dispatch(state, np.arange(6), routers.rows, routers.counts, routers.turn)
    assert np.bincount(state.requests["replica"]).tolist() == [2, 2, 2]


@pytest.mark.parametrize("turn", [0, 1])
def test_aborted_requests_stop_counting_at_the_next_schedule(turn: int) -> None:
    """Replica 1 loses its two requests; whoever's turn it is, it has the fewest from then on."""
    routers = Routers(2, 0)
    arriving = [(0.0, 5, 100, 0)] * 4 + [(0.125, 5, 100, 0)] * 2
    state = routers.state(arriving)
    dispatch(state, np.arange(4), routers.rows, routers.counts, routers.turn)
    advance_all(state, np.arange(2), 0.0625)
    for slot in np.flatnonzero(state.requests["replica"][:4] == 1):
        state.requests[slot]["reason"] = REASON_ABORT
        state.replicas[1]["aborting"] += 1
    routers.turn[0] = turn
    dispatch(state, np.array([4, 5]), routers.rows, routers.counts, routers.turn)
    assert state.requests["replica"][4:].tolist() == [1, 1]
