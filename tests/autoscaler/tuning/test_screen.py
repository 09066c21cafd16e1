"""A replayed setting holds and misses as its knobs say."""

from __future__ import annotations

import pytest

from autoscaler.policy import Policy
from autoscaler.tuning.knobs import laid_over
from autoscaler.tuning.screen import Outcome, Screen
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY, past

SCREEN = Screen(past(), POLICY, POOL)


def played(**knobs: float) -> Outcome:
    return SCREEN.replayed(laid_over(POLICY, {name.replace("__", "."): value for name, value in knobs.items()}))


@pytest.mark.parametrize("knob", ["risk__headroom", "reactive__load_factor"])
def test_a_factor_turned_up_holds_more_and_misses_no_more(knob: str) -> None:
    few, many = played(**{knob: 1.0}), played(**{knob: 1.5})
    assert many.replica_s > few.replica_s
    assert many.late <= few.late


def test_a_proportional_rule_is_one_of_ours() -> None:
    lone = played(risk__headroom=0.5, reactive__load_factor=2.0)
    assert lone.replica_s == pytest.approx(played(risk__headroom=0.6, reactive__load_factor=2.0).replica_s, rel=0.02)


def test_the_same_setting_comes_to_the_same() -> None:
    assert played() == played()


def test_bounds_hold_in_the_replay() -> None:
    few = Policy.model_validate({"replicas": {"min": 1, "max": 2}})
    outcome = Screen(past(), few, POOL).replayed(few)
    assert outcome.replica_s <= 2 * 8 * 3600
    assert outcome.late > 0


def test_what_was_lived_is_counted_as_it_was() -> None:
    lived, whole = SCREEN.lived(), past()
    assert lived.replica_s == pytest.approx(whole.billed.sum() * 15)
    assert lived.late == 0


def test_a_price_adds_misses_to_the_cost() -> None:
    assert Outcome(100.0, 3.0).priced(10.0) == 130.0
