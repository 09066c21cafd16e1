"""What a person reads."""

from __future__ import annotations

from autoscaler.decide import decide
from autoscaler.decision import Turned
from autoscaler.explain import text
from autoscaler.learning.law import Learned
from autoscaler.policy import Mode, Policy
from autoscaler.store.codec import encode, inputs, replay
from tests.autoscaler.cases import AUTO, NOW_S, POOL, SHARED, forecast, observation, state


def test_a_scale_out_says_when_how_sure_and_what_one_replica_carries() -> None:
    said = decide(observation(), forecast(2.7, 0.1), state(4), AUTO, NOW_S).sentence
    assert said == (
        "Scale out 4 -> 6: demand may reach 3.18 erlangs (P95) within the 195 s it takes to start a replica; "
        "one replica carries 0.67 (TPOT binds)."
    )


def test_a_guard_that_bound_is_named_with_what_was_asked_for() -> None:
    said = decide(observation(), forecast(9.0), state(2), AUTO, NOW_S).sentence
    assert "which asks for 18" in said
    assert "at most 8 more and 2 times 2 in one decision" in said


def test_spares_are_in_the_sentence() -> None:
    said = decide(observation(), forecast(3.0), state(5, pool=SHARED), AUTO, NOW_S).sentence
    assert "with 1 standby" in said and "take in a standby replica" in said


def test_shadow_says_that_nothing_was_done() -> None:
    assert decide(observation(), forecast(3.0), state(4), Policy(mode=Mode.SHADOW), NOW_S).sentence.startswith("Shadow")


def test_the_page_lists_every_constraint_and_marks_one() -> None:
    decision = decide(observation(), forecast(3.0), state(4), AUTO, NOW_S)
    lines = text(decision).splitlines()
    assert lines[0].startswith("chat at 2023-11-14 22:13:20 UTC (auto, chat-1700000000000)")
    listed = [line for line in lines if any(f" {c.name} " in line for c in decision.constraints)]
    assert len(listed) >= len(decision.constraints)
    assert sum(line.startswith("  >") for line in lines) == 1


def test_capacity_that_is_off_its_entry_is_said_and_laid_open() -> None:
    known = Learned(POOL.step, factors=(1.3, 1.0, 1.0, 2.0), seconds=7200.0, taken=3, refused=(("idle: x", 1),))
    decision = decide(observation(), forecast(1.0), state(4, learned=known), AUTO, NOW_S)
    assert "% less than its pool's entry says." in decision.sentence
    page = text(decision)
    assert "from 2.0 replica-hours (a x1.30, b x1.00, k x1.00, p x2.00; held at its bound: p)" in page
    assert "3 replicas taught at this look; 1 refused (idle: x)" in page


def test_capacity_as_configured_needs_no_words() -> None:
    known = Learned(POOL.step, factors=(1.01, 1.0, 1.0, 1.0), seconds=60.0)
    decision = decide(observation(), forecast(1.0), state(4, learned=known), AUTO, NOW_S)
    assert "entry says" not in decision.sentence


def test_knobs_that_are_not_the_policy_s_are_named_and_replay() -> None:
    given = observation(), forecast(1.0), state(4, tuned=(Turned("risk.headroom", 1.0, 1.18),)), AUTO, NOW_S
    decision = decide(*given)
    assert "tuned     risk.headroom 1.18 (policy 1)" in text(decision)
    assert encode(replay(inputs(*given))) == encode(decision)
    assert "tuned" not in text(decide(observation(), forecast(1.0), state(4), AUTO, NOW_S))
