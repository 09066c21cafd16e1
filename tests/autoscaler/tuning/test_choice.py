"""What is chosen: cheaper with misses priced in, by a margin, at a price that follows what was measured."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.policy import Policy
from autoscaler.tuning.choice import FURTHEST, Choice, Price, base, choose, worth
from autoscaler.tuning.knobs import at_odds, laid_over, values
from autoscaler.tuning.lateness import learned
from autoscaler.tuning.screen import Outcome, Screen
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY, past

PAST = past()
LAVISH = laid_over(POLICY, {"risk.headroom": 1.6, "reactive.load_factor": 2.5, "scale_in.window_s": 900.0})


def chosen(present: Policy = LAVISH, price: Price | None = None, overspent: float = 0.0) -> Choice:
    return choose(PAST, PAST, POLICY, present, POOL, price, overspent, seed=1)


def test_a_lavish_setting_is_left_for_a_cheaper_one() -> None:
    choice = chosen()
    assert choice.switched and choice.gain > 0.2
    screen = Screen(PAST, POLICY, POOL)
    assert screen.replayed(laid_over(POLICY, choice.knobs)).replica_s < screen.replayed(LAVISH).replica_s
    assert "reactive.load_factor 2.5 -> " in choice.sentence


def test_only_the_price_of_being_short_is_turned_where_that_is_nearly_as_good() -> None:
    choice = chosen(POLICY, overspent=-0.5)
    turned = {name for name, value in values(POLICY).items() if choice.knobs[name] != value}
    assert choice.switched and turned == {"risk.shortage_usd_per_replica_hour"}


def test_other_knobs_are_turned_where_that_is_clearly_cheaper() -> None:
    choice = choose(PAST, PAST, LAVISH, LAVISH, POOL, None, 0.0, seed=1)
    priced = Screen(PAST, LAVISH, POOL, learned(PAST))
    cheapest = min(
        priced.replayed(at_odds(LAVISH, POOL, odds)).priced(choice.price.now_s) for odds in np.geomspace(1, 100)
    )
    assert choice.knobs["risk.headroom"] < 1.6
    assert priced.replayed(laid_over(LAVISH, choice.knobs)).priced(choice.price.now_s) < 0.95 * cheapest


def test_the_best_is_not_left_again() -> None:
    again = chosen(laid_over(POLICY, chosen().knobs))
    assert not again.switched
    assert again.sentence.startswith("Settings stay")


def test_nothing_is_switched_within_the_margin() -> None:
    mild = laid_over(POLICY, {"risk.headroom": 1.3})
    patient = mild.model_copy(update={"tuning": mild.tuning.model_copy(update={"margin": 0.5})})
    choice = chosen(patient)
    assert not choice.switched and choice.knobs == values(patient)


def test_the_same_past_and_seed_choose_the_same() -> None:
    assert chosen() == chosen()


def test_misses_beyond_the_allowed_buy_more() -> None:
    screen = Screen(PAST, POLICY, POOL)
    meagre, careful = (chosen(overspent=days) for days in (-0.7, 0.7))
    cost, late = zip(
        *((o.replica_s, o.late) for o in (screen.replayed(laid_over(POLICY, c.knobs)) for c in (meagre, careful))),
        strict=True,
    )
    assert careful.price.now_s > meagre.price.now_s
    assert cost[1] >= cost[0] and late[1] <= late[0]


def test_regret_is_what_was_held_over_the_best() -> None:
    held = replace(PAST, billed=2 * PAST.billed)
    assert choose(PAST, held, POLICY, LAVISH, POOL, None, 0.0, seed=1).regret > chosen().regret + 0.5


@given(st.lists(st.floats(-5, 5), max_size=20))
def test_the_price_stays_within_reach(errors: list[float]) -> None:
    price = Price(10.0)
    for error in errors:
        price = price.moved(error)
    assert abs(price.added) <= FURTHEST
    assert math.isfinite(price.now_s)


def test_the_price_rests_only_where_the_promise_is_met() -> None:
    assert Price(10.0).moved(0.0) == Price(10.0)
    assert Price(10.0).moved(0.1).now_s > 10 > Price(10.0).moved(-0.1).now_s


@pytest.mark.parametrize(("late", "slope"), [(0.0, 10.0), (5.0, 10.0), (15.0, 2.0), (99.0, 2.0)])
def test_a_miss_is_worth_what_the_front_says_there(late: float, slope: float) -> None:
    front = [Outcome(200.0, 0.0), Outcome(100.0, 10.0), Outcome(80.0, 20.0), Outcome(190.0, 9.0), Outcome(300.0, 15.0)]
    assert worth(front, late) == slope


def test_where_nothing_can_be_bought_a_miss_is_worth_a_minute() -> None:
    assert worth([Outcome(10.0, 5.0)], 1.0) == 60.0


def test_the_operator_s_word_weighs_less_the_longer_misses_were_measured() -> None:
    front = [Outcome(1e5, 0.0), Outcome(5e4, 2e4), Outcome(1e4, 1e6)]
    own_late = 5e5  # a strict promise against a meagre setting: the price moves from the setting's to the promise's
    prices = [base(front, own_late, PAST, past(hours), POLICY) for hours in (0.1, 8.0, 72.0)]
    assert worth(front, own_late) < prices[0] < prices[1] < prices[2] < worth(front, 0.01 * float(PAST.requests.sum()))
