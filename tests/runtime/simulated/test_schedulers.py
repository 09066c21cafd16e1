"""Every scheduler against its rules in the plain engine, to the last bit, and what each is for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from runtime.simulated.schedulers import SCHEDULERS, Scheduling, larry
from tests.runtime.simulated.reference_schedulers import rules
from tests.runtime.simulated.test_kernel import POOL, TICK_S, Case, Pair, cases, crowd, expect_same_requests, run


def drive(case: Case, name: str, ttft_s: float = 0.5) -> Pair:
    """Both engines through the case under that scheduler."""
    scheduling = Scheduling(name, ttft_s, 0.03125)
    return run(case, scheduling=scheduling, rules=rules(scheduling))


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=80)
@given(case=cases(aborts=True))
def test_every_request_has_the_times_of_the_plain_rules(name: str, case: Case) -> None:
    expect_same_requests(drive(case, name))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_has_the_times_of_the_plain_rules(name: str, seed: int) -> None:
    pair = drive(crowd(seed), name, ttft_s=0.5 if seed % 2 else 4.0)
    expect_same_requests(pair)
    assert not pair.state.phase.any() and (pair.state.line_head == -1).all()
    assert pair.engine["demand_running"] == pair.engine["demand_waiting"] == pair.engine["unprefilled"] == 0


def ttft_s(pair: Pair) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Seconds to the first token, by request."""
    return pair.state.requests["first_token"] - pair.state.requests["arrival"]


def mixed(seed: int, every_ticks: int, count: int = 400) -> Case:
    """One long prompt among five short ones, at a rate; outputs follow the prompts."""
    rng = np.random.default_rng(seed)
    at_s = np.cumsum(rng.integers(0, 2 * every_ticks, count)) * TICK_S
    long = rng.random(count) < 0.2
    inputs = np.where(long, rng.integers(80, 120, count), rng.integers(5, 15, count))
    outputs = np.where(long, rng.integers(60, 120, count), rng.integers(5, 15, count))
    pool = replace(POOL, kv_blocks=150, max_num_seqs=12, max_batched_tokens=64)
    sizes = [(float(t), int(i), int(o)) for t, i, o in zip(at_s, inputs, outputs, strict=True)]
    return Case(pool, sizes, [], [])


CALM, FULL, BUSY = 300, 200, 25
"""Ticks between arrivals: next to nothing waits, all can just be served, far more comes than can be served."""


def test_larry_in_a_calm_engine_is_first_come_first_served() -> None:
    calm = mixed(1, CALM)
    calm.pool = replace(calm.pool, kv_blocks=1000)
    assert (ttft_s(drive(calm, "larry")) == ttft_s(drive(calm, "fcfs-chunked"))).all()


@pytest.mark.parametrize("seed", range(4))
def test_larry_in_a_crowd_answers_sooner_and_preempts_less(seed: int) -> None:
    ours, theirs = (drive(mixed(seed, BUSY), name, ttft_s=100.0) for name in ("larry", "fcfs-chunked"))
    assert ttft_s(ours).mean() < ttft_s(theirs).mean()
    assert ours.engine["preemptions"] <= theirs.engine["preemptions"]
    assert theirs.engine["preemptions"] > 0


@pytest.mark.parametrize("name", ["larry", "shortest-predicted"])
@pytest.mark.parametrize("seed", range(2))
def test_nobody_starves(name: str, seed: int) -> None:
    """Under a load that can be served, everybody starts within the patience and a few times the worst of FCFS."""
    pair, fcfs = (drive(mixed(seed, FULL), of, ttft_s=0.5) for of in (name, "fcfs-chunked"))
    assert ttft_s(pair).max() < 2 * 0.5 + 4 * ttft_s(fcfs).max()


@pytest.mark.parametrize("seed", range(4))
def test_shortest_predicted_answers_sooner_than_first_come(seed: int) -> None:
    ours, theirs = (drive(mixed(seed, BUSY), name, ttft_s=100.0) for name in ("shortest-predicted", "fcfs-chunked"))
    assert ttft_s(ours).mean() < ttft_s(theirs).mean()


def test_a_static_batch_lets_nobody_join() -> None:
    pair = drive(Case(POOL, [(0.0, 10, 50), (0.0, 30, 5), (0.125, 5, 2)], [], []), "static")
    first, second, late = pair.requests
    assert first.token_s[0] == second.token_s[0]
    assert late.first_scheduled_s == first.finish_s


def test_without_chunks_a_prompt_goes_whole_or_waits() -> None:
    pair = drive(Case(POOL, [(0.0, 10, 5), (0.0, 10, 5), (0.0, 40, 2)], [], []), "fcfs")
    steps = [r.token_s[0] for r in pair.requests]
    assert steps == sorted(set(steps))
    assert pair.plain.step_tokens[:3] == [10, 11, 42]


def test_an_adaptive_budget_keeps_decodes_within_the_target() -> None:
    """A step of one decode takes 15.7 ms; 31.25 ms leave 254 tokens of 61 µs, where chunks of the budget take 46.7."""
    roomy = replace(POOL, kv_blocks=4000, max_batched_tokens=512)
    case = Case(roomy, [(0.0, 10, 40), (0.0625, 2000, 2)], [], [])
    slowest = {name: max(np.diff(drive(case, name).requests[0].token_s)) for name in ("adaptive", "fcfs-chunked")}
    assert slowest["adaptive"] <= 0.03125 < 0.046 < slowest["fcfs-chunked"]


def test_an_idle_engine_takes_a_request_whatever_larry_expects_of_it() -> None:
    pair = drive(Case(replace(POOL, kv_blocks=12), [(0.0, 40, 3)] * 3, [], []), "larry")
    assert pair.engine["stopped"] == 3


def test_whoever_waits_too_long_goes_before_the_shorter() -> None:
    """Short prompts keep coming; the long one waits for its patience in ever shorter of it, and no longer."""
    tight = replace(POOL, kv_blocks=60, max_num_seqs=2)
    sizes = [(0.0, 30, 30), (0.0, 30, 30), (TICK_S, 100, 5)] + [(i * 0.0625, 4, 20) for i in range(1, 60)]
    started = {ttft: drive(Case(tight, sorted(sizes), [], []), "larry", ttft) for ttft in (0.25, 0.5, 100.0)}
    waits = [pair.requests[2].token_s[0] for pair in started.values()]
    assert waits[0] < waits[1] < waits[2]
    assert waits[0] < 0.5 + 1.0 and waits[1] < 1.0 + 1.0


def test_larry_spares_who_was_preempted_often() -> None:
    preempted = drive(crowd(2), "larry").state.requests["preemptions"]
    assert preempted.max() <= larry.MOST_PREEMPTIONS + 1


def test_a_scheduler_that_is_none_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match="no scheduler 'best'; there are fcfs-chunked, fcfs, static"):
        Scheduling("best").number  # noqa: B018
