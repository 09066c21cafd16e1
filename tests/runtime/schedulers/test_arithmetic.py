"""The arithmetic against the simulator's compiled rules, on the same states, and what no state shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.pool import Pool, StepTime
from runtime.schedulers import arithmetic
from runtime.schedulers.arithmetic import Lengths, Step
from runtime.simulated.queues import append_running, append_waiting
from runtime.simulated.schedulers import adaptive_budget, larry, lengths, shortest_predicted
from runtime.simulated.schedulers.lines import oldest
from runtime.simulated.state import LENGTH_EDGES, NO_SLOT, PREFILL, EngineState, install, new_state

POOL = Pool(
    name="p",
    service="s",
    engine="vllm",
    gpu="H100",
    gpus_per_replica=2,
    price_usd_per_gpu_hour=1.0,
    step=StepTime(16.55, 0.041, 0.0581, 68.7),
    kv_blocks=200,
    block_tokens=16,
    max_num_seqs=32,
    max_batched_tokens=512,
    max_model_tokens=2048,
)
TOKENS = st.integers(1, 3000)
PATIENCE_S = 4.0


@dataclass(slots=True)
class Head:
    """Somebody who waits."""

    ticket: int
    arrival_s: float
    line: int
    prefill_tokens: int
    demand_blocks: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """An engine: who waits and who runs as (tokens, demand), in the order of arrival, and the time."""

    waiting: list[tuple[int, int]]
    running: list[tuple[int, int]]
    arrivals_s: list[float]
    now_s: float

    def state(self) -> EngineState:
        """The same in the simulator."""
        state = new_state(1, 64, POOL.max_num_seqs)
        install(state, 0, POOL, self.now_s)
        state.replicas["patience_s"] = PATIENCE_S
        for slot, (tokens, demand) in enumerate((*self.waiting, *self.running)):
            request = state.requests[slot]
            request["input"], request["demand"], request["ticket"] = tokens, demand, slot
            if slot >= len(self.waiting):
                append_running(state, 0, slot)
                continue
            request["arrival"], request["line"] = self.arrivals_s[slot], larry.line(state, 0, slot)
            append_waiting(state, 0, slot)
        return state

    def heads(self) -> list[Head]:
        """The first of each class."""
        first: dict[int, Head] = {}
        for slot, (tokens, demand) in enumerate(self.waiting):
            line = 1 + arithmetic.length_class(tokens)
            first.setdefault(line, Head(slot, self.arrivals_s[slot], line, tokens, demand))
        return list(first.values())

    def running_blocks(self) -> int:
        """Demands of what runs."""
        return sum(demand for _, demand in self.running)

    def crowding(self) -> float:
        """By all demands."""
        return arithmetic.crowding(self.running_blocks() + sum(d for _, d in self.waiting), POOL.kv_blocks - 1)


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    """Up to ten of each, arrivals in order and often equal."""
    one = st.tuples(TOKENS, st.integers(1, 60))
    waiting, running = draw(st.lists(one, max_size=10)), draw(st.lists(one, max_size=10))
    at_s = st.one_of(st.just(1.0), st.floats(0.0, 9.0))
    arrivals_s = sorted(draw(st.lists(at_s, min_size=len(waiting), max_size=len(waiting))))
    return Crowd(waiting, running, arrivals_s, draw(st.floats(9.0, 14.0)))


def slot_of(head: Head | None) -> int:
    """As the simulator names nobody."""
    return NO_SLOT if head is None else head.ticket


@settings(max_examples=300, deadline=None)
@given(crowds())
def test_larry_chooses_whom_the_simulator_chooses(crowd: Crowd) -> None:
    state = crowd.state()
    assert crowd.crowding() == larry.crowding(state, 0)
    first = arithmetic.overdue(crowd.heads(), crowd.now_s, PATIENCE_S)
    chosen = first or arithmetic.shortest_prefill(
        crowd.heads(), crowd.crowding(), POOL.step.p_ms_per_1k_prefill_tokens / 1e6
    )
    assert slot_of(chosen) == larry.pick(state, 0)
    assert (first is not None) == (
        bool(crowd.waiting) and crowd.now_s > crowd.arrivals_s[oldest(state, 0)] + PATIENCE_S
    )


@settings(deadline=None)
@given(crowds())
def test_larry_admits_whom_the_simulator_admits(crowd: Crowd) -> None:
    state = crowd.state()
    for slot, (_, demand) in enumerate(crowd.waiting):
        running = len(crowd.running)
        ours = arithmetic.admits(running, crowd.running_blocks(), demand, POOL.kv_blocks - 1, larry.FULL_PERCENT)
        assert ours == larry.admits(state, 0, slot)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=10))
def test_the_same_one_gives_way(running: list[tuple[int, int]]) -> None:
    state = Crowd([], [(1, 1)] * len(running), [], 0.0).state()
    for slot, (computed, preemptions) in enumerate(running):
        state.requests[slot]["computed"], state.requests[slot]["preemptions"] = computed, preemptions
        state.requests[slot]["status"] = PREFILL
    assert arithmetic.victim(running) == larry.victim(state, 0, 0)


@settings(deadline=None)
@given(crowds())
def test_the_shortest_predicted_is_the_simulator_s(crowd: Crowd) -> None:
    first = arithmetic.overdue(crowd.heads(), crowd.now_s, PATIENCE_S)
    chosen = first or arithmetic.shortest_predicted(crowd.heads())
    assert slot_of(chosen) == shortest_predicted.pick(crowd.state(), 0)


@settings(max_examples=200, deadline=None)
@given(
    ended=st.lists(st.tuples(st.sampled_from([5, 6, 90]), TOKENS), max_size=60),
    asked=st.lists(st.tuples(st.sampled_from([5, 6, 90, 700]), st.integers(0, 2000)), min_size=1, max_size=5),
    percent=st.sampled_from([1, 50, 90, 100]),
)
def test_predictions_and_demands_are_the_simulator_s(
    ended: list[tuple[int, int]], asked: list[tuple[int, int]], percent: int
) -> None:
    state, known = Crowd(asked, [], [0.0] * len(asked), 0.0).state(), Lengths()
    for prompt, output in ended:
        lengths.learn(state, 0, prompt, output)
        known.learn(prompt, output)
    assert known.seen == len(ended)
    for slot, (prompt, written) in enumerate(asked):
        state.requests[slot]["generated"] = written
        assert known.predict(prompt, written, percent) == lengths.predict(state, 0, prompt, written, percent)
        tokens = min(POOL.max_model_tokens, prompt + known.predict(prompt, written, larry.PERCENT))
        assert arithmetic.blocks(tokens, POOL.block_tokens) == larry.demand(state, 0, slot)


@settings(deadline=None)
@given(decoding=st.integers(0, 32), kv_tokens=st.integers(0, 400_000), tpot_s=st.floats(0.001, 0.2))
def test_the_prefill_budget_is_the_simulator_s(decoding: int, kv_tokens: int, tpot_s: float) -> None:
    state = Crowd([], [], [], 0.0).state()
    row = state.replicas[0]
    row["decoding"], row["kv_tokens"], row["tpot_s"] = decoding, kv_tokens, tpot_s
    step = Step(*(float(row[name]) for name in ("a", "b", "k", "p")))
    room = arithmetic.prefill_room(POOL.max_batched_tokens, decoding, kv_tokens, step, tpot_s)
    assert room == adaptive_budget.room(state, 0)


def test_the_rules_have_the_same_numbers() -> None:
    assert np.array_equal(arithmetic.EDGES, LENGTH_EDGES)
    ours = (arithmetic.CALM, arithmetic.CROWDED, arithmetic.AGEING, arithmetic.MOST_PREEMPTIONS)
    assert ours == (larry.CALM, larry.CROWDED, larry.AGEING, larry.MOST_PREEMPTIONS)
    assert (arithmetic.LEAST_SEEN, arithmetic.LEAST_PREFILL_TOKENS) == (
        lengths.LEAST_SEEN,
        adaptive_budget.LEAST_TOKENS,
    )


def test_a_long_lived_engine_follows_its_traffic() -> None:
    known = Lengths()
    for output, count in ((100, 2 * arithmetic.MOST_SEEN), (3000, 2 * arithmetic.MOST_SEEN)):
        for _ in range(count):
            known.learn(50, output)
    assert known.predict(50, 0, 50) == 3072
    assert known.seen < 2 * arithmetic.MOST_SEEN


@pytest.mark.parametrize(
    ("tokens", "place"), [(1, 0), (2, 1), (3, 2), (5, 4), (6, 4), (1 << 40, arithmetic.CLASSES - 1)]
)
def test_classes_by_hand(tokens: int, place: int) -> None:
    assert arithmetic.length_class(tokens) == place
