"""Only knobs are turned, and never out of their ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import Turned
from autoscaler.policy import Policy
from autoscaler.tuning.knobs import HEADROOM, LOAD_FACTOR, anywhere, laid_over, near, turned_of, values
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY


def without_knobs(policy: Policy) -> dict[str, object]:
    told = policy.model_dump()
    for name in values(policy):
        section, _, knob = name.partition(".")
        del told[section][knob]
    return told


@given(st.integers(0, 2**32 - 1))
def test_whatever_is_drawn_is_a_valid_policy_with_the_same_promises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = near(anywhere(POLICY, POOL, rng), POOL, rng)
    assert Policy.model_validate(drawn.model_dump()) == drawn
    assert without_knobs(drawn) == without_knobs(POLICY)
    assert HEADROOM[0] <= drawn.risk.headroom <= HEADROOM[1]
    assert LOAD_FACTOR[0] <= drawn.reactive.load_factor <= LOAD_FACTOR[1]


@given(st.integers(0, 2**32 - 1))
def test_knobs_laid_over_a_policy_are_read_back(seed: int) -> None:
    drawn = anywhere(POLICY, POOL, np.random.default_rng(seed))
    assert laid_over(POLICY, values(drawn)) == drawn


def test_what_is_no_knob_is_refused() -> None:
    with pytest.raises(ValueError, match=r"replicas\.max is no knob; knobs are risk"):
        laid_over(POLICY, {"replicas.max": 99.0})


def test_knobs_out_of_the_policy_s_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="headroom"):
        laid_over(POLICY, {"risk.headroom": 99.0})


def test_what_was_turned_is_named_with_both_values() -> None:
    other = laid_over(POLICY, {"risk.headroom": 1.3})
    assert turned_of(POLICY, other) == (Turned("risk.headroom", POLICY.risk.headroom, 1.3),)
    assert turned_of(POLICY, POLICY) == ()
