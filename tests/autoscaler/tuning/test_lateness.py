"""Where lateness begins is learned from what was measured, and never falls with the load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoscaler.tuning.lateness import CONFIGURED, learned, rising
from autoscaler.tuning.past import Past
from tests.autoscaler.tuning.pasts import RHO, moment, past

shares = arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1))


@given(shares)
def test_pooling_rises_and_keeps_the_mean(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    weights = np.arange(1.0, len(values) + 1)
    pooled = rising(values, weights)
    assert np.all(np.diff(pooled) >= 0)
    assert pooled @ weights == pytest.approx(values @ weights)


def test_what_rises_already_is_left_alone() -> None:
    values = np.array([0.0, 0.1, 0.5])
    assert rising(values, np.ones(3)).tolist() == values.tolist()


def test_a_pool_that_is_late_early_is_known_for_it() -> None:
    # Four replicas of ρ_max 0.5 asked for 1.5 erlangs: three quarters of what they should carry, and a tenth is late.
    half = [moment(t, erlangs=1.5, serving=4, ended=100.0, late=10.0) for t in range(200)]
    easy = [moment(t, erlangs=0.8, serving=4, ended=100.0, late=0.0) for t in range(200)]
    curve = learned(Past.of(half + easy))
    assert curve.share(np.array([0.775]))[0] == pytest.approx(0.1, abs=0.01)
    assert curve.share(np.array([0.4]))[0] == pytest.approx(0.0, abs=0.01)
    assert CONFIGURED.share(np.array([0.775]))[0] == 0.0


def test_where_nobody_counted_the_fluid_rule_stands() -> None:
    uncounted = replace(past(2.0), ended=np.zeros(480))
    assert learned(uncounted) is CONFIGURED


def test_loads_that_were_never_seen_are_judged_by_the_fluid_rule() -> None:
    curve = learned(past(2.0))
    assert curve.share(np.array([2.5]))[0] > 0.9
    assert RHO < 1
