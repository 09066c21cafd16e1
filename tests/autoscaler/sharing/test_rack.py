"""A rack's GPUs: held for all, given back with care, never on missing data, within the bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sharing.joint import Need
from autoscaler.sharing.rack import RackPolicy, RackState, hold, quantile
from runtime.pool import LeadTime
from runtime.rack import Rack
from tests.autoscaler.cases import NOW_S

RACK = Rack("h100", "H100", 2.5, 8, 64, LeadTime(120.0, 180.0), lent_share=0.2)
POLICY = RackPolicy(max_step_in=4)


def test_what_all_may_need_is_held_and_the_sentence_says_why() -> None:
    found = hold(RACK, Need(12, 18, 7, True), RackState(8), POLICY, NOW_S)
    assert (found.gpus, found.saved, found.binding) == (12, 6, "need")
    assert "8 -> 12" in found.sentence and "apart they would need 18" in found.sentence


def test_the_cheaper_an_idle_gpu_the_higher_the_quantile() -> None:
    dear = Rack("h100", "H100", 2.5, 8, 64, LeadTime(120.0, 180.0))
    assert quantile(RACK, POLICY) > quantile(dear, POLICY) > 0.5


def test_gpus_go_back_step_by_step_and_only_once_the_window_forgot_the_need() -> None:
    state = hold(RACK, Need(20, 20, 5, True), RackState(20), POLICY, NOW_S).next_state
    soon = hold(RACK, Need(6, 6, 5, True), state, POLICY, NOW_S + 100)
    late = hold(RACK, Need(6, 6, 5, True), soon.next_state, POLICY, NOW_S + 400)
    assert (soon.gpus, soon.binding) == (20, "window") and (late.gpus, late.binding) == (16, "step_in")


needs = st.builds(Need, st.integers(0, 100), st.integers(0, 100), st.integers(0, 60), st.booleans())


@given(needs, st.integers(0, 64), st.integers(0, 64))
def test_never_beyond_the_bounds_and_never_fewer_on_what_is_not_known(found: Need, before: int, least: int) -> None:
    decision = hold(RACK, found, RackState(before), RackPolicy(min_gpus=least), NOW_S)
    assert min(least, RACK.max_gpus) <= decision.gpus <= RACK.max_gpus
    assert found.known or decision.gpus >= before
    assert decision.gpus >= min(found.together, RACK.max_gpus)


def test_nothing_is_given_back_in_the_first_window_after_a_start() -> None:
    state = RackState(20, started_at_s=NOW_S)
    soon = hold(RACK, Need(6, 6, 5, True), state, POLICY, NOW_S + 299)
    late = hold(RACK, Need(6, 6, 5, True), state, POLICY, NOW_S + 300)
    assert (soon.gpus, soon.binding) == (20, "restart") and "after a start" in soon.sentence
    assert late.gpus < 20


def test_idle_gpus_are_kept_for_who_wakes_from_zero_within_the_bound() -> None:
    kept = hold(RACK, Need(7, 9, 7, True), RackState(8), RackPolicy(min_idle_gpus=2), NOW_S)
    assert (kept.gpus, kept.binding) == (9, "idle") and "2 stay idle" in kept.sentence
    assert hold(RACK, Need(9, 9, 7, True), RackState(8), RackPolicy(min_idle_gpus=2), NOW_S).binding == "need"
    assert hold(RACK, Need(64, 64, 64, True), RackState(64), RackPolicy(min_idle_gpus=2), NOW_S).gpus == 64


@given(needs, st.integers(0, 80), st.integers(0, 64))
def test_frozen_is_as_it_is_whatever_is_needed(found: Need, before: int, least: int) -> None:
    decision = hold(RACK, found, RackState(before), RackPolicy(min_gpus=least), NOW_S, frozen="says ann (test)")
    assert (decision.gpus, decision.binding) == (before, "freeze") and decision.next_state.gpus == before
    assert decision.sentence.endswith("says ann (test).")
