"""Every policy chooses what the simulator's does on the same state, and does what it is there for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.router.load import Asked, Load
from runtime.router.policies import POLICIES, draw, home, least_requests, prefix_affinity, sal, wait_s
from runtime.simulated import routers
from runtime.simulated.routers import draw as simulated_draw
from runtime.simulated.state import EngineState, install, new_state
from tests.runtime.router.loads import load, loads
from tests.runtime.simulated.fleets import POOL

COUNTS = ("running", "waiting", "unprefilled", "in_flight_tokens", "written_tokens", "ended", "released_tokens")


@st.composite
def accounts(draws: st.DrawFn) -> list[Load]:
    made = []
    for row in range(draws(st.integers(1, 6))):
        counts = {name: draws(st.integers(0, 40) if name in COUNTS[:2] else st.integers(0, 9000)) for name in COUNTS}
        blocks, pace = draws(st.integers(0, 1000)), draws(st.sampled_from([0.5, 1.0, 2.0]))
        there = load(f"r{row}", key=row, kv_tokens=blocks * POOL.block_tokens, **counts)
        there.speed = replace(there.speed, a=0.0625 * pace, b=0.001 * pace, k=2e-7 * pace, p=6e-5 * pace)
        there.busy_s = draws(st.sampled_from([0.0, 1.0, 300.0]))
        made.append(there)
    return made


def state_of(made: list[Load], asked: Asked) -> EngineState:
    """The same in the simulator's arrays: whoever runs decodes, and nothing is cached."""
    state = new_state(len(made), 1, 256)
    for row, there in enumerate(made):
        install(state, row, POOL, 0.0)
        record = state.replicas[row]
        for law in "abkp":
            record[law] = getattr(there.speed, law)
        for name in ("running", "waiting", "unprefilled", "released_tokens", "busy_s", "kv_tokens"):
            record[name] = getattr(there, name)
        record["decoding"], record["waiting_tokens"] = there.running, there.unprefilled
        record["prompt_in_flight"], record["stopped"] = there.in_flight_tokens, there.ended
        record["generation_tokens"], record["used_blocks"] = there.written_tokens, there.kv_tokens // POOL.block_tokens
    request = state.requests[0]
    request["input"], request["session"], request["prefix"] = asked.input_tokens, asked.session, asked.prefix
    return state


@pytest.mark.parametrize("name", POLICIES)
@settings(deadline=None)
@given(
    made=accounts(),
    tokens=st.integers(1, 20_000),
    session=st.integers(0, 50),
    prefix=st.integers(0, 50),
    turn=st.integers(0, 2**40),
)
def test_it_chooses_what_the_simulator_chooses(
    name: str, made: list[Load], tokens: int, session: int, prefix: int, turn: int
) -> None:
    asked = Asked(tokens, session=session, prefix=prefix)
    rows = np.arange(len(made), dtype=np.int64)
    theirs = routers.choose(routers.router(name), state_of(made, asked), rows, len(made), 0, turn)
    assert POLICIES[name](made, asked, turn) is made[theirs]


def test_names_and_order_are_the_simulators() -> None:
    assert list(POLICIES) == list(routers.ROUTERS)


@settings(deadline=None)
@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_draws_are_the_simulators(counter: int, stream: int) -> None:
    assert draw(counter, stream) == simulated_draw.draw(counter, stream)


@given(st.integers(1, 2**62))
def test_a_replica_that_goes_moves_only_its_own_keys(key: int) -> None:
    made = loads(5)
    there = home(key, made)
    assert home(key, [x for x in made if x is there or x.name != "r2"]) is there


def test_a_crowd_with_one_prefix_overflows_its_home() -> None:
    made, asked = loads(3), Asked(100, prefix=7)
    there = home(7, made)
    there.waiting = 16
    assert prefix_affinity(made, asked, 0) is there
    there.waiting = 17
    assert prefix_affinity(made, asked, 0) is not there


def test_a_prompt_goes_where_it_is_cached() -> None:
    made, asked = loads(3), Asked(4096, blocks=tuple(range(1, 65)))
    made[1].cached.add(asked)
    assert made[1].cached.tokens(asked) == 4095
    assert sal(made, asked, 0) is made[1]
    assert POLICIES["lmetric"](made, asked, 0) is made[1]


def test_the_cache_forgets_the_end_of_a_prompt_first() -> None:
    cached = load().cached
    cached.most = 3
    cached.add(Asked(256, blocks=(1, 2, 3, 4)))
    assert list(cached.blocks) == [3, 2, 1]
    assert cached.tokens(Asked(256, blocks=(1, 2, 9))) == 128


def test_sal_waits_for_memory_where_there_is_none() -> None:
    full = load(kv_tokens=16_000, released_tokens=1000, busy_s=10.0)
    assert wait_s(load(), 200) == 0.0625
    assert wait_s(full, 200) == 2.0


def test_equal_ones_take_turns() -> None:
    made = loads(3)
    assert [least_requests(made, Asked(1), turn).name for turn in range(4)] == ["r0", "r1", "r2", "r0"]
