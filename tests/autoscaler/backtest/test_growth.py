"""Growth of counters: nothing is lost, nothing is made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.growth import growth, whole

NAN = float("nan")
steps = st.lists(st.integers(0, 50), min_size=1, max_size=30)


@given(steps, st.integers(0, 10**9))
def test_a_counter_grows_by_its_differences_wherever_it_begins(grew: list[int], first: int) -> None:
    counter = first + np.concatenate([[0], np.cumsum(grew)]).astype(float)
    assert growth(counter).tolist() == grew


@given(steps, st.data())
def test_what_has_arrived_is_finished_or_in_flight(grew: list[int], data: st.DataObject) -> None:
    arrived = np.concatenate([[0], np.cumsum(grew)]).astype(float)
    finished = np.maximum.accumulate([data.draw(st.integers(0, int(upto))) for upto in arrived]).astype(float)
    assert growth(finished, arrived - finished) == pytest.approx(grew)


@given(steps, st.data())
def test_what_one_replica_did_unseen_is_counted_once(grew: list[int], data: st.DataObject) -> None:
    counter = np.concatenate([[0], np.cumsum(grew)]).astype(float)
    hidden = data.draw(st.lists(st.booleans(), min_size=len(counter), max_size=len(counter)))
    hidden[0] = hidden[-1] = False
    assert growth(np.where(hidden, NAN, counter)).sum() == pytest.approx(sum(grew))


@pytest.mark.parametrize(
    ("counter", "grew"),
    [
        ([100, 110, 3, 8], [10, 3, 5]),
        ([10, NAN, NAN, 16], [2, 2, 2]),
        ([NAN, NAN, 5000, 5002], [0, 0, 2]),
        ([5, 7, NAN, NAN], [2, 0, 0]),
        ([NAN, 7, NAN], [0, 0]),
    ],
    ids=["a restart counts from zero", "unseen is spread evenly", "nobody knows when", "gone", "once is no growth"],
)
def test_growth_by_hand(counter: list[float], grew: list[float]) -> None:
    assert growth(np.array(counter)).tolist() == grew


def test_a_restart_loses_what_was_in_flight_and_no_more() -> None:
    """Four had finished and six were in flight; of the new process one finished and two are in flight."""
    assert growth(np.array([4.0, 1.0]), np.array([6.0, 2.0])).tolist() == [3]


@given(st.lists(st.integers(-5, 20) | st.just(NAN), min_size=1, max_size=30))
def test_requests_are_whole_never_negative_and_add_up(arrivals: list[float]) -> None:
    requests = whole(np.array(arrivals, float))
    assert (requests >= 0).all()
    assert requests.sum() == max(0, *np.cumsum(np.nan_to_num(arrivals)), 0)


@pytest.mark.parametrize(
    ("arrivals", "requests"),
    [([5, -2, 4], [5, 0, 2]), ([-3, 5, 1], [0, 2, 1]), ([2.5, 2.5, 0.2], [3, 2, 0]), ([4, NAN, 3], [4, 0, 3])],
)
def test_a_deficit_is_carried_forward(arrivals: list[float], requests: list[int]) -> None:
    assert whole(np.array(arrivals, float)).tolist() == requests
