"""Histograms against one value after the other."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated import buckets as h
from runtime.simulated.observing import observe, observe_steps
from runtime.simulated.state import new_state


@given(st.floats(0, 200), st.integers(1, 5))
def test_a_value_falls_into_the_first_bucket_that_holds_it(value: float, times: int) -> None:
    state = new_state(1, 1, 1)
    observe(state, 0, h.ITL, value, times)
    assert np.flatnonzero(state.hist[0, h.ITL]).tolist() == [bisect_left(h.HISTOGRAMS[h.ITL][1], value)]
    assert state.hist[0, h.ITL].sum() == times
    assert state.hist_sum[0, h.ITL] == pytest.approx(value * times)


@given(st.integers(1, 60), st.integers(1, 400), st.sampled_from([0, 1, 7]), st.integers(1, 9))
def test_many_steps_at_once_are_the_steps_one_by_one(steps: int, first: int, growth: int, decoding: int) -> None:
    """Durations are whole milliseconds over 1,024, so that sums are exact and bounds are not met by rounding."""
    at_once, one_by_one = new_state(1, 1, 1), new_state(1, 1, 1)
    at_once.replicas[0]["decoding"] = decoding
    observe_steps(at_once, 0, first / 1024, growth / 1024, steps)
    for i in range(steps):
        observe(one_by_one, 0, h.ITL, (first + growth * i) / 1024, decoding)
        observe(one_by_one, 0, h.ITERATION, decoding, 1)
    assert (at_once.hist == one_by_one.hist).all()
    assert at_once.hist_sum[0, h.ITL] == pytest.approx(one_by_one.hist_sum[0, h.ITL])
