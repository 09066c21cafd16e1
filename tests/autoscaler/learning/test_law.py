"""The fit finds the law, stays bounded, and is moved by nothing that it should not be moved by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.learning.evidence import Evidence
from autoscaler.learning.law import BOUNDS, FORGET_S, Learned, absorb, corrected, learn
from collectors.observation import ReplicaSample, Scrape
from runtime.pool import StepTime
from tests.autoscaler.cases import NOW_S, POOL, observation
from tests.autoscaler.learning.test_evidence import AFTER, BEFORE

PRIOR = POOL.step
FRESH = Learned(PRIOR)
within = st.floats(0.6, 1.7)


def law(factors: tuple[float, ...]) -> StepTime:
    return replace(FRESH, factors=factors).step


def shown(step: StepTime, rng: np.random.Generator, noise: float = 0.03) -> Evidence:
    """A replica's interval at some load and mix, by that law."""
    decoding, context, prefill = rng.uniform(5, 100), rng.uniform(500, 4000), rng.uniform(0, 400)
    kv = decoding * context
    return Evidence(15.0, step.step_ms(decoding, kv, prefill) * rng.lognormal(0, noise), decoding, kv, prefill)


def taught(learned: Learned, step: StepTime, ticks: int = 80, seed: int = 0) -> Learned:
    """After so many ticks with three replicas of that law."""
    rng = np.random.default_rng(seed)
    for _ in range(ticks):
        learned = absorb(learned, [shown(step, rng) for _ in range(3)])
    return learned


@given(st.tuples(within, within, within, within))
def test_it_converges_to_the_law_that_the_replicas_follow(factors: tuple[float, float, float, float]) -> None:
    true = law(factors)
    found = taught(FRESH, true).step
    for at in ((10, 15_000, 100), (60, 90_000, 200), (90, 300_000, 20)):
        assert found.step_ms(*at) == pytest.approx(true.step_ms(*at), rel=0.05)


def test_what_traffic_does_not_show_stays_as_configured() -> None:
    """No prefill in sight: whatever the rest does, its factor is that of the prior."""
    true = law((1.3, 1.3, 1.3, 1.3))
    rng = np.random.default_rng(1)
    learned = FRESH
    for _ in range(100):
        seen = replace(shown(true, rng), prefill_tokens=0.0)
        step_ms = true.step_ms(seen.decoding, seen.kv_tokens, 0.0)
        learned = absorb(learned, [replace(seen, step_ms=step_ms)])
    assert learned.factors[3] == pytest.approx(1.0)
    assert learned.factors[0] == pytest.approx(1.3, abs=0.05)


def test_a_term_of_zero_stays_zero() -> None:
    free = Learned(replace(PRIOR, k_ms_per_1k_kv_tokens=0.0))
    assert taught(free, free.prior, 10).step.k_ms_per_1k_kv_tokens == 0.0


numbers = st.floats(0, 1e6)


@given(
    st.lists(st.builds(Evidence, st.floats(2, 120), st.floats(1e-3, 1e6), numbers, numbers, numbers), min_size=1),
    st.integers(1, 3),
)
def test_whatever_it_is_shown_factors_are_finite_and_bounded(taken: list[Evidence], times: int) -> None:
    learned = FRESH
    for _ in range(times):
        learned = absorb(learned, taken)
    assert all(math.isfinite(factor) and BOUNDS[0] <= factor <= BOUNDS[1] for factor in learned.factors)
    assert all(map(math.isfinite, (*learned.information, *learned.moments, learned.seconds)))


def test_a_law_beyond_the_bounds_is_held_there_and_told() -> None:
    learned = taught(FRESH, law((3.0, 1.0, 1.0, 1.0)))
    assert learned.factors[0] == BOUNDS[1]
    assert "a" in learned.at_bound
    assert FRESH.at_bound == ()


@given(st.lists(st.floats(0.25, 4.0), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_few_wild_intervals_move_it_little(wild: list[float], seed: int) -> None:
    calm = taught(FRESH, PRIOR, seed=seed)
    rng = np.random.default_rng(seed)
    shaken = absorb(calm, [replace(e, step_ms=e.step_ms * w) for w in wild for e in [shown(PRIOR, rng)]])
    for at in ((10, 15_000, 100), (60, 90_000, 200)):
        assert shaken.step.step_ms(*at) == pytest.approx(calm.step.step_ms(*at), rel=0.03)


def test_a_sick_replica_among_healthy_ones_does_not_speak_for_the_pool() -> None:
    rng, learned = np.random.default_rng(2), FRESH
    for _ in range(60):
        sick = shown(PRIOR, rng)
        learned = absorb(learned, [*(shown(PRIOR, rng) for _ in range(9)), replace(sick, step_ms=3 * sick.step_ms)])
    assert learned.step.step_ms(40, 60_000, 100) == pytest.approx(PRIOR.step_ms(40, 60_000, 100), rel=0.04)


@given(st.permutations(range(5)))
def test_the_order_of_replicas_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(3)
    rows = [shown(PRIOR, rng) for _ in range(5)]
    assert absorb(FRESH, [rows[i] for i in order]) == absorb(FRESH, rows)


def test_it_follows_a_law_that_changes() -> None:
    upgraded = law((0.75, 0.75, 0.75, 0.75))
    ticks = int(3 * FORGET_S / 15)
    learned = taught(taught(FRESH, PRIOR, 200), upgraded, ticks)
    assert learned.step.step_ms(40, 60_000, 100) == pytest.approx(upgraded.step_ms(40, 60_000, 100), rel=0.03)


def scrapes(*replicas: tuple[ReplicaSample, ReplicaSample]) -> tuple[Scrape, Scrape]:
    first = {before.replica: before for before, _ in replicas}
    return Scrape(NOW_S - 15.0, first), Scrape(NOW_S, {after.replica: after for _, after in replicas})


def test_a_look_teaches_by_what_it_takes_and_tells_what_it_refused() -> None:
    queued = replace(BEFORE, replica="chat-1"), replace(AFTER, replica="chat-1", waiting=9.0)
    names = ["chat-0", "chat-1", "chat-2"]
    found = learn(None, POOL, names, *scrapes((BEFORE, AFTER), queued), observation())
    assert (found.taken, found.seconds, found.last_taken_s) == (1, 15.0, NOW_S)
    assert found.refused == (("gap: not seen", 1), ("saturated: requests wait", 1))
    backwards = learn(None, POOL, names[::-1], *scrapes(queued, (BEFORE, AFTER)), observation())
    assert backwards == found


def test_refused_intervals_change_nothing_that_was_learned() -> None:
    known = taught(FRESH, law((1.3, 1.3, 1.3, 1.3)), 20)
    idle = scrapes((BEFORE, replace(AFTER, running=0.0)))
    after = learn(known, POOL, ["chat-0"], *idle, observation())
    assert after == replace(known, taken=0, refused=(("idle: nothing ran at one end", 1),))
    assert learn(known, POOL, ["chat-0"], None, idle[1], observation()).factors == known.factors


def test_a_pool_that_is_configured_anew_is_learned_anew() -> None:
    known = taught(FRESH, law((1.3, 1.3, 1.3, 1.3)), 20)
    other = replace(POOL, step=replace(PRIOR, a_ms=20.0))
    assert corrected(other, known) == other
    assert corrected(POOL, known).step == known.step
    assert learn(known, other, [], None, Scrape(NOW_S, {}), observation()) == Learned(other.step)
