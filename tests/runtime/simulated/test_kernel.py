"""The kernel against the plain engine: the same requests give the same times, to the last bit.

All durations are whole multiples of 2^-24 s, so that floating-point sums are exact in any order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.pool import Pool, StepTime
from runtime.simulated import buckets as h
from runtime.simulated.kernel import advance, enqueue, generated_tokens
from runtime.simulated.schedulers import Scheduling, schedule_by
from runtime.simulated.state import (
    DONE,
    NO_SLOT,
    REASON_ABORT,
    REASON_LENGTH,
    REASON_REJECTED,
    REASON_STOP,
    EngineState,
    install,
    new_state,
)
from tests.runtime.simulated.reference_engine import ReferenceEngine, Request

TICK_S = 2.0**-10
FIRST_COME = Scheduling()
EXACT = StepTime(15.625, 1e3 * 2.0**-14, 1e6 * 2.0**-24, 1e6 * 2.0**-14)
POOL = Pool(
    "p", "s", "vllm", "H100", 2, 3.0, EXACT, kv_blocks=64, block_tokens=4, max_num_seqs=4, max_batched_tokens=16
)


@dataclass
class Case:
    """A pool, the requests that reach it, when some are aborted, and the moments at which somebody looks.

    Requests are (arrival, input, output); ``prefixes`` has (key, tokens) for each if any have one.
    """

    pool: Pool
    requests: list[tuple[float, int, int]]
    aborts: list[tuple[float, int]]
    looks: list[float]
    prefixes: list[tuple[int, int]] = field(default_factory=list)


class Pair:
    """A kernel engine and a plain one, driven alike."""

    def __init__(self, case: Case, scheduling: Scheduling = FIRST_COME, rules: Any = None) -> None:
        pool, requests = case.pool, case.requests
        self.state = new_state(1, len(requests), pool.max_num_seqs, pool.kv_blocks)
        install(self.state, 0, pool, 0.0)
        schedule_by(self.state, 0, scheduling)
        self.plain = ReferenceEngine(pool, rules=rules)
        prefixes = case.prefixes or [(0, 0)] * len(requests)
        self.requests = [Request(*request, *prefix) for request, prefix in zip(requests, prefixes, strict=True)]
        for record, request in zip(self.state.requests, self.requests, strict=True):
            record["arrival"], record["input"], record["output"] = request.arrival_s, request.input, request.output
            record["prefix"], record["prefix_tokens"] = request.prefix, request.prefix_tokens
            record["first_scheduled"], record["replica"] = -1.0, NO_SLOT

    @property
    def engine(self) -> Any:
        return self.state.replicas[0]

    def advance(self, until_s: float) -> None:
        advance(self.state, 0, until_s)
        self.plain.advance(until_s)

    def enqueue(self, slot: int) -> None:
        self.advance(self.requests[slot].arrival_s)
        enqueue(self.state, 0, slot, self.requests[slot].arrival_s)
        self.plain.enqueue(self.requests[slot], self.requests[slot].arrival_s)

    def abort(self, slot: int, at_s: float) -> None:
        self.advance(at_s)
        if self.requests[slot].finish_s is None and self.requests[slot].arrival_s <= at_s:
            self.requests[slot].abort = True
            self.state.requests[slot]["reason"] = REASON_ABORT
            self.engine["aborting"] += 1

    @property
    def cached(self) -> dict[int, int]:
        """Cached blocks by prefix."""
        return {int(entry["key"]): int(entry["cached"]) for entry in self.state.groups[0] if entry["cached"]}

    def compare(self, at_s: float) -> None:
        """What anybody can see now is the same."""
        assert self.engine["used_blocks"] == self.plain.used_blocks <= self.engine["usable_blocks"]
        assert self.engine["running"] == len(self.plain.running)
        assert self.engine["waiting"] == len(self.plain.waiting)
        assert self.engine["clock"] == self.plain.clock_s
        assert self.engine["unprefilled"] == self.plain.unprefilled
        assert self.engine["evictable_blocks"] == len(self.plain.evictable)
        assert self.cached == Counter(prefix for prefix, _ in self.plain.cached)
        for slot, request in enumerate(self.requests):
            assert generated_tokens(self.state, slot) == len(request.token_s) == request.generated_by(at_s)


def run(case: Case, also: list[float] | None = None, scheduling: Scheduling = FIRST_COME, rules: Any = None) -> Pair:
    """Drive both through the case, comparing at every look, until all is done."""
    pair = Pair(case, scheduling, rules)
    events = [(request[0], 0, slot) for slot, request in enumerate(case.requests)]
    events += [(at_s, 1, slot) for at_s, slot in case.aborts] + [(at_s, 2, 0) for at_s in case.looks + (also or [])]
    for at_s, kind, slot in sorted(events):
        if kind == 0:
            pair.enqueue(slot)
        elif kind == 1:
            pair.abort(slot, at_s)
        else:
            pair.advance(at_s)
            pair.compare(at_s)
    pair.advance(1e6)
    pair.compare(1e6)
    return pair


@st.composite
def cases(draw: st.DrawFn, aborts: bool = False, prefixes: bool = False) -> Case:
    """Small engines under pressure: few blocks, small budgets, bursts, single-token outputs, prompts too long."""
    seqs, block = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 4, 16]))
    pool = replace(
        POOL,
        step=draw(st.sampled_from([EXACT, replace(EXACT, k_ms_per_1k_kv_tokens=0.0)])),
        block_tokens=block,
        kv_blocks=1 + max(1, draw(st.integers(40, 240)) // block),
        max_num_seqs=seqs,
        max_batched_tokens=draw(st.integers(seqs, 48)),
        max_model_tokens=draw(st.sampled_from([40, 100, 200])),
    )
    gaps = st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 400))
    outputs = st.one_of(st.just(1), st.integers(1, 100))
    shapes = draw(st.lists(st.tuples(gaps, st.integers(1, 60), outputs), min_size=3, max_size=16))
    arrivals = np.cumsum([gap for gap, _, _ in shapes]) * TICK_S
    ticks = st.integers(0, 4000).map(lambda n: n * TICK_S)
    shared = st.tuples(st.integers(0, 4), st.integers(0, 70))
    return Case(
        pool,
        [(float(at), i, o) for at, (_, i, o) in zip(arrivals, shapes, strict=True)],
        draw(st.lists(st.tuples(ticks, st.integers(0, len(shapes) - 1)), max_size=6)) if aborts else [],
        draw(st.lists(ticks, max_size=12)),
        draw(st.lists(shared, min_size=len(shapes), max_size=len(shapes))) if prefixes else [],
    )


def crowd(seed: int, requests: int = 300, prefixes: int = 0) -> Case:
    """More requests than one engine likes, for long enough that everything that can happen does, often.

    With ``prefixes``, each request shares up to 120 tokens with others of one of so many.
    """
    rng = np.random.default_rng(seed)
    pool = replace(POOL, kv_blocks=int(rng.integers(60, 200)), max_num_seqs=12, max_batched_tokens=64)
    arrivals = np.cumsum(rng.integers(0, 60, requests)) * TICK_S
    inputs, outputs = rng.integers(1, 120, requests), rng.integers(1, 150, requests)
    end = int(arrivals[-1] / TICK_S)
    aborts = zip(rng.integers(0, end, 30) * TICK_S, rng.integers(0, requests, 30), strict=True)
    return Case(
        pool,
        [(float(a), int(i), int(o)) for a, i, o in zip(arrivals, inputs, outputs, strict=True)],
        [(float(at_s), int(slot)) for at_s, slot in aborts],
        (rng.integers(0, end * 3, 100) * TICK_S).tolist(),
        [(int(k), int(n)) for k, n in rng.integers(0, [prefixes + 1, 120], (requests, 2))] if prefixes else [],
    )


def expect_same_requests(pair: Pair) -> None:
    """Request by request, the kernel's record is what happened in the plain engine."""
    for record, request in zip(pair.state.requests, pair.requests, strict=True):
        assert record["status"] == DONE
        assert record["finish"] == request.finish_s
        assert record["preemptions"] == request.preemptions
        assert record["first_scheduled"] == (-1.0 if request.first_scheduled_s is None else request.first_scheduled_s)
        if request.token_s:
            assert record["first_token"] == request.token_s[0]
        assert record["reason"] == reason(request)


def reason(request: Request) -> int:
    """Why it ended."""
    if request.refused:
        return REASON_REJECTED
    if request.ended_by_abort:
        return REASON_ABORT
    return REASON_LENGTH if request.capped else REASON_STOP


def histogram(state: EngineState, hist: int) -> Counter[int]:
    """Filled buckets of the kernel's histogram."""
    return Counter({i: int(n) for i, n in enumerate(state.hist[0, hist]) if n})


def bucketed(hist: int, values: list[float]) -> Counter[int]:
    """The buckets that these values fill."""
    bounds = h.HISTOGRAMS[hist][1]
    return Counter(bisect_left(bounds, value) for value in values)


@settings(max_examples=250, deadline=None)
@given(cases())
def test_every_request_has_the_times_of_the_plain_engine(case: Case) -> None:
    expect_same_requests(run(case))


@pytest.mark.parametrize("seed", range(6))
def test_a_crowd_has_the_times_of_the_plain_engine(seed: int) -> None:
    pair = run(crowd(seed))
    assert pair.engine["preemptions"] > 10
    expect_same_requests(pair)


@settings(max_examples=150, deadline=None)
@given(cases(aborts=True))
def test_aborted_requests_leave_at_the_next_schedule(case: Case) -> None:
    expect_same_requests(run(case))


@settings(max_examples=60, deadline=None)
@given(cases(aborts=True))
def test_every_token_appears_when_its_step_ends(case: Case) -> None:
    tokens = sorted({at_s for request in run(case).requests for at_s in request.token_s})
    expect_same_requests(run(case, [*tokens, *(float(np.nextafter(at_s, 0)) for at_s in tokens)]))


@settings(max_examples=100, deadline=None)
@given(cases(aborts=True))
def test_counters_and_histograms_are_those_of_the_steps(case: Case) -> None:
    pair = run(case)
    engine, done = pair.engine, [r for r in pair.requests if not r.refused and not r.ended_by_abort]
    gaps = [b - a for r in pair.requests for a, b in zip(r.token_s, r.token_s[1:], strict=False)]
    assert engine["generation_tokens"] == sum(len(r.token_s) for r in pair.requests)
    assert engine["prompt_tokens"] == sum(r.input for r in pair.requests if r.token_s)
    assert engine["preemptions"] == sum(r.preemptions for r in pair.requests)
    assert engine["steps"] == len(pair.plain.step_tokens)
    assert (engine["stopped"], engine["length_capped"]) == (
        sum(not r.capped for r in done),
        sum(r.capped for r in done),
    )
    expected = {
        h.ITL: gaps,
        h.ITERATION: [float(n) for n in pair.plain.step_tokens],
        h.TTFT: [r.token_s[0] - r.arrival_s for r in pair.requests if r.token_s],
        h.E2E: [(r.finish_s or 0.0) - r.arrival_s for r in done],
        h.TPOT: [(r.token_s[-1] - r.token_s[0]) / (r.output - 1) for r in done if r.output > 1],
    }
    for hist, values in expected.items():
        assert histogram(pair.state, hist) == bucketed(hist, values)
        assert pair.state.hist_sum[0, hist] == pytest.approx(sum(values))


@settings(max_examples=100, deadline=None)
@given(cases(aborts=True))
def test_all_blocks_return_and_each_request_ends_once(case: Case) -> None:
    pair = run(case)
    assert pair.engine["used_blocks"] == pair.engine["kv_tokens"] == pair.engine["decoding"] == 0
    assert not pair.state.phase.any()
    done = pair.state.done[: pair.state.done_count[0]]
    assert sorted(done.tolist()) == list(range(len(case.requests)))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_requests_start_in_the_order_of_their_arrival(case: Case) -> None:
    records = run(case).state.requests
    started = records[(records["reason"] != REASON_REJECTED) & (records["preemptions"] == 0)]["first_scheduled"]
    assert (np.diff(started) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(cases(), st.floats(5, 40), st.floats(0.01, 1))
def test_with_measured_step_times_they_agree_to_the_nanosecond(case: Case, a_ms: float, k_ms: float) -> None:
    step = StepTime(a_ms, 0.041, k_ms, 68.7)
    # Away from round numbers, so that no arrival falls on the end of a step by one rounding only.
    requests = [(at_s + 1e-4 * np.pi * i, n, m) for i, (at_s, n, m) in enumerate(case.requests)]
    pair = Pair(Case(replace(case.pool, step=step), requests, [], []))
    for slot in range(len(requests)):
        pair.enqueue(slot)
    pair.advance(1e6)
    finish = [request.finish_s for request in pair.requests]
    assert pair.state.requests["finish"].tolist() == pytest.approx(finish, abs=1e-9)


def test_a_worked_example() -> None:
    """Two prompts of 10 and 8 in a budget of 16: the second is chunked, and finishes its prompt beside a decode."""
    pair = run(Case(POOL, [(0.0, 10, 2), (0.0, 8, 1)], [], []))
    first, second = pair.requests
    step_1 = EXACT.step_ms(0, 0, 16) / 1000
    step_2 = step_1 + EXACT.step_ms(1, 11, 2) / 1000
    assert first.token_s == [step_1, step_2]
    assert second.token_s == [step_2]
    expect_same_requests(pair)


def test_the_newest_gives_way_and_is_recomputed() -> None:
    """Seven usable blocks of 4: two requests of 8 + 12 tokens cannot both stay."""
    pair = run(Case(replace(POOL, kv_blocks=8), [(0.0, 8, 12), (0.0, 8, 12)], [], []))
    old, new = pair.requests
    assert (old.preemptions, new.preemptions) == (0, 1)
    assert old.finish_s is not None and new.finish_s is not None and old.finish_s < new.finish_s
    expect_same_requests(pair)


@pytest.mark.parametrize("tokens", [0, 252, 10_000])
def test_a_prompt_that_cannot_fit_is_refused(tokens: int) -> None:
    pair = run(Case(POOL, [(0.0, tokens, 5)], [], []))
    assert pair.engine["refused"] == 1
    expect_same_requests(pair)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"max_num_seqs": 32}, "exceeds max_batched_tokens"),
        ({"kv_blocks": 1}, "needs 2 KV blocks"),
        ({"block_tokens": 128}, "of 1 to 64 tokens"),
    ],
)
def test_a_pool_that_cannot_run_is_refused(change: dict[str, int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        install(new_state(1, 1, 64), 0, replace(POOL, **change), 0.0)  # type: ignore[arg-type]
