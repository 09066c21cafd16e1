"""When a search is due, what it is given, and what becomes of its choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.policy import Policy, TuningMode
from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import laid_over, values
from autoscaler.tuning.tuner import Tuner, overspent_days
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY, moment, moments

BETTER = values(laid_over(POLICY, {"risk.headroom": 1.3}))
CHOICE = Choice(BETTER, Price(10.0, 0.5), True, 0.1, 0.2, "because")


def lived(hours: float, policy: Policy = POLICY, late: float = 0.0) -> Tuner:
    tuner = Tuner(POOL)
    for tick in moments(hours, late):
        tuner.remember(tick, policy.tuning.over_s)
    return tuner


def in_mode(mode: TuningMode) -> Policy:
    return POLICY.model_copy(update={"tuning": POLICY.tuning.model_copy(update={"mode": mode})})


def test_nothing_is_searched_before_misses_were_measured_for_long_enough() -> None:
    assert not lived(5.9).due(POLICY)
    assert lived(6.1).due(POLICY)


def test_a_search_is_not_due_again_before_its_time() -> None:
    tuner = lived(7.0)
    tuner.task(POLICY)
    assert not tuner.due(POLICY)
    tuner.remember(moment(7 * 240 + 240), 86400.0)
    assert tuner.due(POLICY)


def test_what_is_off_is_never_searched_for() -> None:
    assert not lived(7.0).due(in_mode(TuningMode.OFF))


@pytest.mark.parametrize(
    ("mode", "acts"), [(TuningMode.AUTO, True), (TuningMode.ADVISE, False), (TuningMode.OFF, False)]
)
def test_a_choice_acts_in_auto_only(mode: TuningMode, acts: bool) -> None:
    tuner, policy = Tuner(POOL), in_mode(mode)
    tuner.adopt(CHOICE)
    assert (tuner.effective(policy) != policy) == acts
    assert tuner.effective(policy).replicas == policy.replicas


def test_an_operator_who_turns_a_knob_starts_anew_from_there() -> None:
    tuner = Tuner(POOL)
    tuner.effective(POLICY)
    tuner.adopt(CHOICE)
    assert tuner.effective(POLICY).risk.headroom == 1.3
    turned = laid_over(POLICY, {"risk.headroom": 0.9})
    assert tuner.effective(turned) == turned


def test_another_promise_keeps_the_knobs() -> None:
    tuner = Tuner(POOL)
    tuner.effective(POLICY)
    tuner.adopt(CHOICE)
    wider = POLICY.model_copy(update={"replicas": POLICY.replicas.model_copy(update={"max": 12})})
    assert tuner.effective(wider).risk.headroom == 1.3 and tuner.effective(wider).replicas.max == 12


def test_a_task_is_chosen_on_and_taken_over() -> None:
    tuner = lived(8.0, late=0.02)
    choice = tuner.task(POLICY).chosen()
    tuner.adopt(choice)
    assert choice.price.added > 0
    assert values(tuner.effective(POLICY)) == choice.knobs
    assert tuner.task(POLICY).overspent_days == 0


def test_advice_does_not_add_up() -> None:
    tuner, policy = lived(8.0, late=0.02), in_mode(TuningMode.ADVISE)
    tuner.adopt(tuner.task(policy).chosen())
    assert tuner.task(policy).price is None and tuner.task(policy).overspent_days > 0


def test_what_is_old_is_forgotten() -> None:
    tuner = Tuner(POOL)
    for tick in moments(3.0):
        tuner.remember(tick, 3600.0)
    assert len(tuner.moments) == 241


def test_twice_the_allowed_misses_for_a_quarter_of_a_day_overspend_a_quarter_of_a_day_s() -> None:
    flat = [replace(m, requests=100.0, ended=100.0, late=2.0) for m in moments(6.0)]
    assert overspent_days(flat, 0.0, 0.01) == pytest.approx(0.25)


def test_where_nobody_counted_nothing_is_overspent() -> None:
    assert overspent_days([replace(m, ended=0.0) for m in moments(6.0)], 0.0, 0.01) == 0


def estimated(hours: float, late: float = 0.0) -> Tuner:
    return Tuner(POOL, [replace(m, counted=False) for m in moments(hours, late)])


@pytest.mark.parametrize(("mode", "why"), [(TuningMode.AUTO, True), (TuningMode.ADVISE, False)])
def test_what_rests_on_estimated_misses_is_advice_and_says_so_in_auto(mode: TuningMode, why: bool) -> None:
    tuner, policy = estimated(8.0, 0.02), in_mode(mode)
    choice = tuner.task(policy).chosen()
    tuner.adopt(choice)
    assert not choice.counted and tuner.effective(policy) == policy
    assert ("advice only, although tuning.mode is auto" in choice.sentence) == why


def test_a_router_that_no_longer_counts_ends_what_was_tuned() -> None:
    tuner = estimated(8.0, 0.02)
    tuner.adopt(CHOICE)
    assert tuner.effective(POLICY) != POLICY
    task = tuner.task(POLICY)
    assert task.present == POLICY and task.price is None
    tuner.adopt(task.chosen())
    assert tuner.effective(POLICY) == POLICY


def test_single_ticks_without_counts_are_left_out_and_change_nothing() -> None:
    ticks = [replace(m, counted=i % 10 > 0, late=m.ended * (i % 10 == 0)) for i, m in enumerate(moments(8.0))]
    task = Tuner(POOL, ticks).task(POLICY)
    assert task.counted and task.overspent_days < 0
    assert sum(m.ended == 0 for m in task.moments) == len(ticks) / 10
    assert [m.requests for m in task.moments] == [m.requests for m in ticks]


def test_the_time_of_a_switch_is_remembered_over_a_restart() -> None:
    tuner = Tuner(POOL)
    tuner.adopt(replace(CHOICE, switched=False), at_s=5.0)
    assert tuner.switched_s is None
    tuner.adopt(CHOICE, at_s=7.0)
    assert tuner.switched_s == 7.0
